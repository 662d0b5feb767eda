"""Goals: files within a limit, found in few encodes."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.compressor.codecs import Codec, InvalidOptionError, Pixels, get_codec, psnr, ssim, ssimulacra2
from services.compressor.goals import (
    MAX_ENCODES,
    Goal,
    GoalError,
    Subject,
    UnreachableGoalError,
    choose,
    search,
    setting_of,
)
from tests.helpers.images import smooth_image

QUICK = ("jpeg", "webp", "gif")
"""Codecs quick enough to be tried hundreds of times."""


@cache
def image(side_px: int = 40) -> Pixels:
    """Returns a picture with a little noise."""
    return smooth_image(side_px, side_px)


@settings(max_examples=40)
@given(codec_id=st.sampled_from(QUICK), target=st.integers(1, 5000))
def test_never_above_a_size(codec_id: str, target: int) -> None:
    """A file is at most as large as asked, in at most nine encodes, or the smallest possible is told."""
    codec = get_codec(codec_id)
    try:
        found = search(Subject.of(image()), codec, Goal("bytes", target))
    except UnreachableGoalError as error:
        smallest = setting_of(codec)
        assert smallest
        assert len(smallest.of(codec, 0).encode(image())) > target
        assert "the closest is" in str(error)  # noqa: PT017 - most examples raise nothing
        return
    assert len(found.data) <= target
    assert 1 <= found.encodes <= MAX_ENCODES
    assert found.codec.encode(image()) == found.data
    assert found.reached == len(found.data)


@settings(max_examples=30)
@given(codec_id=st.sampled_from(QUICK), target=st.floats(10, 60))
def test_never_below_a_quality(codec_id: str, target: float) -> None:
    """A file is at least as good as asked, in at most nine encodes, or the best possible is told."""
    codec = get_codec(codec_id)
    try:
        found = search(Subject.of(image()), codec, Goal("psnr_db", target))
    except UnreachableGoalError:
        setting = setting_of(codec)
        assert setting
        best = setting.of(codec, len(setting.values) - 1)
        assert psnr(image(), best.decode(best.encode(image()))) < target
        return
    assert psnr(image(), found.codec.decode(found.data)) >= target
    assert found.encodes <= MAX_ENCODES


@given(
    sizes=st.lists(st.integers(1, 10**6), min_size=100, max_size=100),
    target=st.integers(1, 10**6),
    is_monotone=st.booleans(),
)
def test_any_sizes(sizes: list[int], target: int, is_monotone: bool) -> None:
    """Whatever sizes the settings give, the limit holds; when they grow, the largest fitting one is found."""
    if is_monotone:
        sizes = sorted(set(sizes))
        sizes += [sizes[-1] + i + 1 for i in range(100 - len(sizes))]
    tried = list[int]()

    def encode(codec: Codec) -> bytes:
        quality: int = getattr(codec, "quality")  # noqa: B009 - only jpeg has it
        tried.append(quality)
        return bytes(sizes[quality - 1])

    subject = Subject((image(),), encode, lambda _codec, _data: (image(),))
    try:
        found = search(subject, get_codec("jpeg"), Goal("bytes", target))
        assert len(found.data) <= target
        if is_monotone:
            assert len(found.data) == max(size for size in sizes if size <= target)
    except UnreachableGoalError as error:
        assert all(sizes[quality - 1] > target for quality in tried)
        assert error.encodes == len(tried)  # noqa: PT017
        if is_monotone:
            assert f"the closest is {sizes[0]} bytes" in str(error)  # noqa: PT017
    assert len(tried) == len(set(tried)) <= MAX_ENCODES


@pytest.mark.parametrize("codec_id", ["avif", "dct", "gif", "jpeg", "jpeg2000", "kmeans", "webp"])
def test_every_codec_with_a_setting(codec_id: str) -> None:
    """Each such codec keeps a size and a quality that lie within its range."""
    picture = image(64)
    codec = get_codec(codec_id)
    size = len(codec.encode(picture)) * 3 // 4
    found = search(Subject.of(picture), codec, Goal("bytes", size))
    assert size / 2 < len(found.data) <= size
    assert found.setting
    good = search(Subject.of(picture), codec, Goal("ssim", 0.8))
    assert (ssim(picture, good.codec.decode(good.data)) or 0) >= 0.8
    assert max(found.encodes, good.encodes) <= MAX_ENCODES


def test_bits_a_pixel() -> None:
    """A limit in bits a pixel is one in bytes."""
    by_bits = search(Subject.of(image()), get_codec("jpeg"), Goal("bpp", 8 * 1200 / 1600))
    assert by_bits.data == search(Subject.of(image()), get_codec("jpeg"), Goal("bytes", 1200)).data
    assert by_bits.reached == pytest.approx(8 * len(by_bits.data) / 1600)


def test_ssimulacra2() -> None:
    """A score can be the goal of an image that has one, and of no other."""
    picture = image(128)
    found = search(Subject.of(picture), get_codec("webp"), Goal("ssimulacra2", 60))
    assert (ssimulacra2(picture, found.codec.decode(found.data)) or 0) >= 60
    with pytest.raises(GoalError, match="128 pixels"):
        search(Subject.of(image()), get_codec("webp"), Goal("ssimulacra2", 60))


def test_codecs_without_a_setting() -> None:
    """A lossless codec meets any quality with its one file, and a size when that file is small enough."""
    found = search(Subject.of(image()), get_codec("png"), Goal("psnr_db", 100))
    assert (found.encodes, found.setting, found.reached) == (1, "", math.inf)
    assert search(Subject.of(image()), get_codec("webp", lossless=True), Goal("ssim", 1)).encodes == 1
    with pytest.raises(UnreachableGoalError, match="its one file has"):
        search(Subject.of(image()), get_codec("png"), Goal("bytes", 100))


@pytest.mark.parametrize(
    "goal", [("bytes", 0), ("bpp", -1.0), ("psnr_db", 101), ("ssim", 1.1), ("ssim", math.nan)]
)
def test_goals_out_of_range(goal: tuple[str, float]) -> None:
    """A goal that nothing can have is refused with what would be accepted."""
    with pytest.raises(GoalError, match=f"target_{goal[0]} takes"):
        Goal(*goal)  # type: ignore[arg-type]


def test_stopping() -> None:
    """What is asked before each encode can end a search."""
    asked = 0

    def go_on() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise KeyboardInterrupt

    base = Subject.of(image())
    with pytest.raises(KeyboardInterrupt):
        search(Subject(base.frames, base.encode, base.decode, go_on), get_codec("jpeg"), Goal("bytes", 900))


@pytest.mark.parametrize("goal", [Goal("bytes", 900), Goal("psnr_db", 33)])
def test_automatic_choice(goal: Goal) -> None:
    """The best of all is kept: of the highest quality under a size, the smallest above a quality."""
    codecs = [get_codec(codec_id) for codec_id in ("jpeg", "webp", "gif", "png")]
    choice = choose(Subject.of(image()), goal, codecs)
    assert [candidate.codec_id for candidate in choice.candidates] == ["jpeg", "webp", "gif", "png"]
    reached = {one.codec_id: one for one in choice.candidates if one.found}
    best = reached[choice.found.codec.id]
    if goal.is_size:
        assert choice.judged_by == "psnr"  # the image is too small for SSIMULACRA2
        assert best.judged == max(one.judged or 0 for one in reached.values())
        assert "its one file has" in choice.candidates[3].error
    else:
        sizes = [len(one.found.data) for one in reached.values() if one.found]
        assert len(choice.found.data) == min(sizes)


def test_automatic_choice_leaves_out_what_cannot_hold_the_image() -> None:
    """A codec that would lose transparency is left out with its reason."""
    picture = smooth_image(40, 40, 4)
    choice = choose(Subject.of(picture), Goal("psnr_db", 30), [get_codec("jpeg"), get_codec("webp")])
    assert choice.found.codec.id == "webp"
    assert "transparency" in choice.candidates[0].error


def test_automatic_choice_without_a_way() -> None:
    """When no codec reaches the goal, the message has the closest of each."""
    with pytest.raises(UnreachableGoalError, match=r"jpeg cannot .*the closest is .*webp cannot"):
        choose(Subject.of(image()), Goal("bytes", 5), [get_codec("jpeg"), get_codec("webp")])


def test_options_beside_the_setting_are_kept() -> None:
    """Only the setting is searched; other options stay, and wrong ones are refused as ever."""
    found = search(Subject.of(image()), get_codec("jpeg", subsampling="444"), Goal("bytes", 1200))
    assert getattr(found.codec, "subsampling") == "444"  # noqa: B009
    with pytest.raises(InvalidOptionError):
        get_codec("jpeg", subsampling="9")


def test_frames() -> None:
    """The quality of several frames is that of all of them."""
    frames = (image(), np.flipud(image()))
    codec = get_codec("png")
    subject = Subject(frames, lambda _: b"x", lambda _codec, _data: (image(), image()))
    errors = [10 ** (-psnr(a, image()) / 10) for a in frames]
    assert subject.quality("psnr", codec, b"x") == pytest.approx(-10 * math.log10(np.mean(errors)))
    assert subject.pixels == 2 * 40 * 40
