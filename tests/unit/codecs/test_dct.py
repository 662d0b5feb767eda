"""The DCT codec."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.compressor.codecs import (
    CorruptDataError,
    InvalidOptionError,
    Pixels,
    TooManyPixelsError,
    decode,
    get_codec,
    psnr,
)
from services.compressor.codecs.container import Container
from tests.golden.renew import EXPECTED, GOLDEN
from tests.helpers.images import smooth_image


def reference_threshold(image: Pixels, threshold: float) -> Pixels:
    """The study's method, channel by channel in floating point: what the codec must come out at."""
    height_px, width_px, channels = image.shape
    padded = np.pad(image, ((0, -height_px % 8), (0, -width_px % 8), (0, 0)), mode="edge")
    planes = []
    for channel in range(channels):
        centred = padded[..., channel].astype(float) - 128
        blocks = centred.reshape(padded.shape[0] // 8, 8, -1, 8).transpose(0, 2, 1, 3)
        coefficients = scipy.fft.dctn(blocks, axes=(2, 3), norm="ortho")
        least = threshold * np.abs(coefficients).max()
        kept = np.where(np.abs(coefficients) < least, 0, np.round(coefficients))
        samples = scipy.fft.idctn(kept, axes=(2, 3), norm="ortho").transpose(0, 2, 1, 3)
        planes.append(samples.reshape(padded.shape[:2]) + 128)
    return np.clip(np.round(np.stack(planes, -1)), 0, 255).astype(np.uint8)[:height_px, :width_px]


@pytest.mark.parametrize("threshold", [0.001, 0.01, 0.03, 0.5])
def test_threshold_is_the_study_s(threshold: float) -> None:
    """The fixed-point codec gives the study's picture, to a grey level here and there."""
    image = smooth_image(70, 43)
    decoded = decode(get_codec("dct", threshold=threshold).encode(image))
    difference = np.abs(decoded.astype(int) - reference_threshold(image, threshold))
    assert difference.max() <= 1
    assert np.mean(difference != 0) < 0.08  # ties, and samples of 4 fractional bits


@pytest.mark.parametrize("color_space", ["rgb", "ycbcr"])
def test_quality_orders_size_and_fidelity(color_space: str) -> None:
    """A higher quality makes larger files of a better picture."""
    image = smooth_image(96, 96)
    files = [
        get_codec("dct", quality=q, color_space=color_space).encode(image) for q in (10, 50, 75, 95, 100)
    ]
    assert [len(data) for data in files] == sorted(len(data) for data in files)
    fidelity = [psnr(image, decode(data)) for data in files]
    assert fidelity == sorted(fidelity)
    assert fidelity[-1] > 45


def test_default_color_spaces() -> None:
    """Thresholds work on RGB as in the study, qualities on YCbCr; both can be told otherwise."""
    image = smooth_image(40, 40)
    for default, other in (({"threshold": 0.02}, "ycbcr"), ({"quality": 80}, "rgb")):
        same = "rgb" if other == "ycbcr" else "ycbcr"
        assert get_codec("dct", **default).encode(image) == get_codec(
            "dct", **default, color_space=same
        ).encode(image)
        assert get_codec("dct", **default).encode(image) != get_codec(
            "dct", **default, color_space=other
        ).encode(image)


def test_default_is_quality_80() -> None:
    """Without threshold and quality the quality is 80."""
    image = smooth_image(40, 40)
    assert get_codec("dct").encode(image) == get_codec("dct", quality=80).encode(image)


@pytest.mark.parametrize("options", [{"effort": "fast"}, {"threshold": 0.02}])
def test_filter_without_its_mode(options: dict[str, Any]) -> None:
    """A filter is refused where there is none; to want none is accepted."""
    with pytest.raises(InvalidOptionError, match="postfilter"):
        get_codec("dct", postfilter=True, **options)
    assert get_codec("dct", postfilter=False, **options)


def test_alpha_is_kept_exactly() -> None:
    """The alpha plane is not transformed."""
    image = smooth_image(33, 21, 4)
    assert np.array_equal(decode(get_codec("dct", quality=5).encode(image))[..., 3], image[..., 3])


def test_grey_has_no_color_space() -> None:
    """A grey image gives one file in either colour space."""
    image = smooth_image(30, 30, 1)[..., np.newaxis]
    rgb, ycbcr = (get_codec("dct", color_space=space).encode(image) for space in ("rgb", "ycbcr"))
    assert rgb == ycbcr


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 17), st.integers(1, 17), st.just(3))))
def test_best_quality_of_any_pixels(image: Pixels) -> None:
    """At quality 100 in RGB, no sample is far off; a faint dot may not be worth its bits."""
    decoded = decode(get_codec("dct", quality=100, color_space="rgb").encode(image))
    assert np.abs(decoded.astype(int) - image).max() <= 16


MODES = (
    {},
    {"effort": "fast"},
    {"subsampling": "420", "quality": 30},
    {"tune": "psnr", "quality": 95, "postfilter": False},
    {"color_space": "rgb", "quality": 100},
    {"threshold": 0.02},
    {"threshold": 0.5, "color_space": "ycbcr", "subsampling": "420"},
)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3, 4]), st.sampled_from(MODES), st.data())
def test_any_size_and_mode(
    width: int, height: int, channels: int, mode: dict[str, Any], data: st.DataObject
) -> None:
    """Whatever the size, mode and content, the decoder follows the encoder."""
    content = data.draw(st.sampled_from(["noise", "flat", "gradient", "text", "smooth"]))
    y, x = np.mgrid[0:height, 0:width]
    planes = {
        "noise": lambda c: np.random.default_rng(c).integers(0, 256, (height, width)),
        "flat": lambda c: np.full((height, width), 90 * c % 256),
        "gradient": lambda c: (3 * x + (2 + c) * y) % 256,
        "text": lambda c: 255 * ((x // 2 * 7 + y // 3 * 11 + c) % 5 > 2),
        "smooth": lambda c: 128 + 90 * np.sin(x / (9 + c) + y / 14),
    }
    image = np.stack([planes[content](c) for c in range(channels)], -1).astype(np.uint8)
    decoded = decode(get_codec("dct", **mode).encode(image))
    assert decoded.shape == image.shape
    if channels == 4:
        assert np.array_equal(decoded[..., 3], image[..., 3])
    if mode.get("quality") == 100:
        assert psnr(image[..., :3], decoded[..., :3]) > 40


def test_every_change_and_cut_is_found() -> None:
    """Ten thousand changed bytes and every cut of a small file give an error or the same image."""
    image = smooth_image(24, 20)
    data = get_codec("dct", quality=60).encode(image)
    original = decode(data)
    random = np.random.default_rng(5)
    spoilt = [data[:cut] for cut in range(len(data))]
    for _ in range(10_000):
        changed = bytearray(data)
        changed[random.integers(len(data))] ^= random.integers(1, 256)
        spoilt.append(bytes(changed))
    for file in spoilt:
        with suppress(CorruptDataError, TooManyPixelsError):
            assert np.array_equal(decode(file), original)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([1, 3, 4]), st.tuples(st.integers(1, 80), st.integers(1, 80)))
def test_any_payload(payload: bytes, channels: int, size: tuple[int, int]) -> None:
    """Whatever the payload behind a good checksum, the outcome is an image or CorruptDataError."""
    with suppress(CorruptDataError):
        assert decode(Container(1, *size, channels, payload).pack()).shape == (size[1], size[0], channels)


@pytest.mark.parametrize(
    ("payload", "channels", "message"),
    [
        (b"\x01\x30", 3, "too short for a picture's header"),
        (b"\xe0\x30\x00", 3, "flags 0xe0"),
        (b"\x01\x30\x00", 1, "flags 0x01"),
        (b"\x15\x30\x00", 3, "flags 0x15"),
        (b"\x01\x30\x00", 4, "ends inside of a number"),
        (b"\x01\x30\x00\x05abcd", 4, "too short for its alpha plane"),
    ],
)
def test_payload_without_meaning(payload: bytes, channels: int, message: str) -> None:
    """A container with a good checksum around a wrong payload is corrupt."""
    with pytest.raises(CorruptDataError, match=message):
        decode(Container(1, 16, 8, channels, payload).pack())


def test_same_bytes_in_threads() -> None:
    """Files do not depend on what else runs."""
    image = smooth_image(80, 60)
    with ThreadPoolExecutor(4) as pool:
        files = set(pool.map(get_codec("dct").encode, [image] * 8))
    assert files == {get_codec("dct").encode(image)}


@pytest.mark.parametrize(
    "variables", [{"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, {"NUMBA_DISABLE_JIT": "1"}]
)
def test_same_pixels_on_other_machines(variables: dict[str, str], tmp_path: Path) -> None:
    """A decoder for any x86 CPU, and one that is not compiled, give the very same pixels."""
    names = ["dct-v2-best.gpc", "dct-v2-rgba.gpc", "dct-v2-420.gpc", "dct-v2-threshold.gpc"]
    files = [str(GOLDEN / name) for name in names]
    program = (
        "import hashlib, pathlib, sys\n"
        "from services.compressor.codecs import decode\n"
        "for name in sys.argv[1:]:\n"
        "    print(hashlib.sha256(decode(pathlib.Path(name).read_bytes()).tobytes()).hexdigest())"
    )
    environment = {
        **os.environ,
        **variables,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-W", "ignore", "-c", program, *files]
    digests = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    assert digests == [expected[name]["sha256"] for name in names]


@pytest.mark.data
def test_trend_of_the_study(shared_data: Path) -> None:
    """On a car of 640 x 480 pixels, files and fidelity fall with the threshold, as in the study's table."""
    with tarfile.open(shared_data / "photos.tar") as archive:
        member = archive.extractfile("car_640x480.jpg")
        assert member
        image = decode(member.read())
    files = [get_codec("dct", threshold=threshold).encode(image) for threshold in (0.01, 0.02, 0.03)]
    sizes = [len(data) for data in files]
    fidelity = [psnr(image, decode(data)) for data in files]
    assert sizes == sorted(sizes, reverse=True)
    assert fidelity == sorted(fidelity, reverse=True)
    # The study: 60.6, 43.5 and 35.7 KB, ratios of 0.72 and 0.82.
    assert 0.5 < sizes[1] / sizes[0] < 0.85
    assert 0.6 < sizes[2] / sizes[1] < 0.95
