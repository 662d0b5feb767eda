"""Generated images stored by their seeds."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.compressor.codecs import (
    CodecError,
    CorruptDataError,
    InvalidOptionError,
    Pixels,
    TooManyPixelsError,
    UnsupportedImageError,
    decode,
    get_codec,
    identify,
    psnr,
)
from services.compressor.codecs.seed import Origin, RegenerationError, SeedCodec, is_seed, read_origin
from services.compressor.codecs.seed.guard import GuardSample, pack_guard, rounded, unpack_guard
from services.compressor.codecs.seed.layout import SeedPayload

DIGEST = "0123456789abcdef" * 4
ORIGIN = Origin(DIGEST, "convertible", 2**53 - 1)
OTHER_MACHINE = 1.4e-4
"""Largest difference in grey levels that was seen between machines and versions of ONNX Runtime."""

Values = npt.NDArray[np.float32]


def values_of(origin: Origin, side_px: int = 64, channels: int = 3) -> Values:
    """Returns what a generator might give: smooth, with values on both sides of the range."""
    random = np.random.default_rng([origin.seed % 2**32, len(origin.label), int(origin.truncation * 100)])
    coarse = random.uniform(-40, 295, (side_px // 8 + 1, side_px // 8 + 1, channels))
    fine = np.kron(coarse, np.ones((8, 8, 1)))[:side_px, :side_px] + random.normal(
        0, 6, (side_px, side_px, channels)
    )
    return fine.astype(np.float32)


class Machine:
    """A sampler whose values differ from those of `values_of` by up to so many grey levels."""

    def __init__(self, most: float, seed: int = 0) -> None:
        self.most = most
        self._random = np.random.default_rng(seed)

    def __call__(self, origin: Origin) -> Values:
        """Returns the values of this machine."""
        values = values_of(origin)
        return values + self._random.uniform(-self.most, self.most, values.shape).astype(np.float32)


def image_of(origin: Origin = ORIGIN) -> Pixels:
    """Returns the image that the generator here draws."""
    return rounded(values_of(origin))


@settings(max_examples=40)
@given(
    st.integers(0, 2**64 - 1),
    st.sampled_from(["", "suv", "convertible", "größer"]),
    st.sampled_from([1.0, 0.5, 0.7]),
    st.integers(0, 100),
)
def test_other_machines_give_the_very_image(seed: int, label: str, truncation: float, machine: int) -> None:
    """A file gives the very same image on machines that differ by as much as was ever seen."""
    origin = Origin(DIGEST, label, seed, truncation)
    image = image_of(origin)
    data = SeedCodec(values_of).encode(image, origin)
    assert identify(data) == "seed"
    assert is_seed(data)
    assert read_origin(data) == Origin(DIGEST[:32], label, seed, truncation)
    assert np.array_equal(SeedCodec(Machine(OTHER_MACHINE, machine)).decode(data), image)


def test_any_order_in_memory() -> None:
    """A sampler's array may lie in memory in any order."""
    other = Machine(OTHER_MACHINE)
    data = SeedCodec(lambda origin: np.asfortranarray(values_of(origin))).encode(image_of(), ORIGIN)
    for _ in range(20):
        codec = SeedCodec(lambda origin: other(origin).transpose(2, 0, 1).copy().transpose(1, 2, 0))
        assert np.array_equal(codec.decode(data), image_of())


def test_size() -> None:
    """A file has at most 80 bytes, whatever the label and for seeds of any size."""
    for seed in range(2**64 - 1, 2**64 - 60, -1):
        origin = Origin(DIGEST, "convertible", seed, 0.7)
        data = SeedCodec(values_of).encode(image_of(origin), origin)
        assert len(data) <= 80


def test_image_drawn_on_another_machine() -> None:
    """An image from another machine is stored exactly as well, where this one rounds otherwise."""
    differing = 0
    for seed in range(40):
        origin = Origin(DIGEST, "suv", seed)
        image = rounded(Machine(OTHER_MACHINE, seed)(origin))
        differing += not np.array_equal(image, image_of(origin))
        data = SeedCodec(values_of).encode(image, origin)
        assert np.array_equal(SeedCodec(Machine(OTHER_MACHINE, seed + 1)).decode(data), image)
    assert differing > 3


def test_another_image_is_noticed() -> None:
    """A generator that draws another image is noticed, and small deviations are tolerated on demand."""
    data = SeedCodec(values_of).encode(image_of(), ORIGIN)
    with pytest.raises(RegenerationError, match="tolerate=1 would accept it"):
        SeedCodec(Machine(0.4)).decode(data)
    near = SeedCodec(Machine(0.4), tolerate=1).decode(data)
    assert np.abs(near.astype(int) - image_of()).max() == 1
    with pytest.raises(RegenerationError, match=r"differ by [0-9]+ grey levels, 1 are tolerated"):
        SeedCodec(Machine(30), tolerate=1).decode(data)
    with pytest.raises(RegenerationError):
        SeedCodec(lambda _: values_of(Origin(DIGEST, "suv", 1))).decode(data)
    for tolerate in (-1, 256):
        with pytest.raises(InvalidOptionError, match=f"tolerate takes 0..255, not {tolerate}"):
            SeedCodec(values_of, tolerate=tolerate)


def test_edited_image() -> None:
    """An edited image is stored as seed and difference, smaller than by the DCT codec and as good."""
    image = image_of()
    image[20:30, 5:25] = [255, 0, 0]
    codec = SeedCodec(Machine(OTHER_MACHINE), quality=80)
    data, plain = codec.encode(image, ORIGIN), get_codec("dct", quality=80).encode(image)
    assert identify(data) == "seed"
    assert len(data) < 0.75 * len(plain)
    assert psnr(image, codec.decode(data)) > psnr(image, decode(plain)) - 1


def test_image_that_has_nothing_of_the_generated_one() -> None:
    """Where the difference is the larger one, the file is the DCT codec's."""
    flat = np.full((64, 64, 3), 90, np.uint8)
    data = SeedCodec(values_of).encode(flat, ORIGIN)
    assert data == get_codec("dct").encode(flat)


def test_sizes_differ() -> None:
    """An image of another size is no image of the generator."""
    with pytest.raises(
        UnsupportedImageError, match="draws 64 x 64 pixels of 3 channels, the image has 32 x 64"
    ):
        SeedCodec(values_of).encode(image_of()[:, :32], ORIGIN)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_digest": "xyz"}, "32 to 64 hexadecimal digits"),
        ({"model_digest": DIGEST[:31]}, "32 to 64"),
        ({"label": "x" * 256}, "at most 255 bytes"),
        ({"seed": -1}, "-1 is not among them"),
        ({"seed": 2**64}, "seeds go from 0 to"),
        ({"truncation": 0.0}, "above 0 and at most 1, not 0"),
        ({"truncation": float("nan")}, "not nan"),
    ],
)
def test_what_names_no_image(fields: dict[str, object], message: str) -> None:
    """A digest, label, seed or truncation that cannot be is named."""
    with pytest.raises(InvalidOptionError, match=message):
        Origin(**{"model_digest": DIGEST, "label": "", "seed": 1, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("edited", [False, True])
def test_every_cut_and_change(edited: bool) -> None:
    """A file that was cut or altered is an error or gives the same image."""
    image = image_of()
    if edited:
        image[:8, :8] = 0
    codec = SeedCodec(values_of)
    data, whole = codec.encode(image, ORIGIN), codec.decode(codec.encode(image, ORIGIN))
    for size in range(len(data)):
        with pytest.raises(CorruptDataError):
            codec.decode(data[:size])
    random = np.random.default_rng(0)
    for place in range(len(data)):
        altered = bytearray(data)
        altered[place] ^= random.integers(1, 256)
        with suppress(CodecError):
            assert np.array_equal(codec.decode(bytes(altered)), whole)


@given(st.binary(max_size=120))
def test_any_payload(payload: bytes) -> None:
    """Whatever a payload with a right checksum holds, it is read or refused."""
    with suppress(CodecError):
        SeedPayload.unpack(payload)


@given(
    st.lists(st.tuples(st.integers(0, 2**24), st.integers(0, 255)), max_size=40, unique_by=lambda s: s[0]),
    st.binary(max_size=20),
)
def test_guard_samples(samples: list[tuple[int, int]], behind: bytes) -> None:
    """Stored samples come back in order, and what follows them is left alone."""
    guarded = [GuardSample(*sample) for sample in samples]
    packed = pack_guard(guarded)
    assert unpack_guard(packed + behind) == (tuple(sorted(guarded)), len(packed))


def test_limits_and_other_files() -> None:
    """The pixel limit holds, files of other codecs are refused, and without a generator that is said."""
    codec = SeedCodec(values_of)
    data = codec.encode(image_of(), ORIGIN)
    with pytest.raises(TooManyPixelsError):
        codec.decode(data, max_pixels=4095)
    with pytest.raises(CorruptDataError, match="of codec 1; seed files are of 4"):
        codec.decode(get_codec("dct").encode(image_of()))
    with pytest.raises(
        UnsupportedImageError, match=r"a generator with the model 0123456789abcdef0123456789abcdef"
    ):
        decode(data)
    assert not is_seed(b"")
    assert not is_seed(get_codec("png").encode(image_of()))
