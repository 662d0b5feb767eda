"""Specifications of codecs and settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.api import GanpressClient
from client.errors import GanpressError, InputError
from client.experiment.study import STUDY
from client.experiment.sweep import DEFAULT_SWEEP, parse_spec, resolve

WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789._", min_size=1)


def test_a_codec_alone_takes_its_defaults() -> None:
    """Without options a specification is one setting."""
    assert parse_spec("png") == [("png", {})]


def test_options_are_combined() -> None:
    """Every value of one option goes with every value of the other."""
    combinations = [options for _, options in parse_spec("dct:quality=50,75:color_space=rgb,ycbcr")]
    assert combinations == [
        {"quality": "50", "color_space": "rgb"},
        {"quality": "50", "color_space": "ycbcr"},
        {"quality": "75", "color_space": "rgb"},
        {"quality": "75", "color_space": "ycbcr"},
    ]


@given(WORD, st.dictionaries(WORD, st.lists(WORD, min_size=1, max_size=3), max_size=3))
def test_what_is_written_is_read(codec: str, choices: dict[str, list[str]]) -> None:
    """Any codec with any options comes back, in as many settings as there are combinations."""
    spec = ":".join([codec, *(f"{name}={','.join(values)}" for name, values in choices.items())])
    parsed = parse_spec(spec)
    expected = 1
    for values in choices.values():
        expected *= len(values)
    assert len(parsed) == expected
    assert all(name == codec and options.keys() == choices.keys() for name, options in parsed)
    assert {name: values[0] for name, values in choices.items()} == parsed[0][1]


@pytest.mark.parametrize("spec", ["dct:quality", "dct:", "dct:=5", "dct:quality=5:quality=6", "jpeg:0=1:"])
def test_malformed_specifications_are_explained(spec: str) -> None:
    """The message shows the specification and the form."""
    with pytest.raises(InputError, match=r"--codec '.*' is not OPTION=VALUE of a new option: write CODEC"):
        parse_spec(spec)


async def test_the_default_sweep_has_every_codec_and_the_study_s_settings() -> None:
    """No codec of pixels is left out of a comparison that names no codec."""
    async with GanpressClient() as client:
        settings = await resolve(client, DEFAULT_SWEEP)
        infos = (await client.list_codecs()).codecs
        codecs = {info.name for info in infos if not info.input_media_type}
    assert {setting.codec for setting in settings} == codecs
    assert {(row.codec, row.setting) for row in STUDY} <= {(s.codec, s.text) for s in settings}
    assert {s.codec for s in settings if s.text == "lossless"} == {"jpeg2000", "png", "tga", "tiff"}


async def test_settings_have_one_name_each() -> None:
    """The same setting written differently is one, and named as a user writes it."""
    async with GanpressClient() as client:
        specs = ["pillow:quality=85,85.", "kmeans", "jpeg2000:ratio=20,20.0", "webp:lossless=True"]
        with pytest.raises(GanpressError, match="jpeg option quality takes"):
            await resolve(client, specs)
        settings = await resolve(client, ["pillow:quality=85", "jpeg:quality=85", *specs[1:]])
    assert [(setting.codec, setting.technique, setting.text) for setting in settings] == [
        ("jpeg", "pillow", "quality=85"),
        ("kmeans", "kmeans", "default"),
        ("jpeg2000", "pillow", "ratio=20"),
        ("webp", "pillow", "lossless=true"),
    ]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bmp", "there is no codec 'bmp': the codecs are avif"),
        ("dct:q=5", "codec dct has no option 'q': its options are threshold, quality, color_space"),
        ("dct:quality=0", r"dct option quality takes 1\.\.100, not 0"),
        ("kmeans:k=", "kmeans option k takes .*, not ''"),
    ],
)
async def test_what_does_not_exist_is_refused(spec: str, message: str) -> None:
    """Before anything is compressed, a sentence says what exists."""
    async with GanpressClient() as client:
        with pytest.raises(GanpressError, match=message):
            await resolve(client, [spec])
