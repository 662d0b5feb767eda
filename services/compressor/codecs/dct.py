"""8x8 DCT codec in GanPress's own container; docs/codecs/dct.md describes the file byte by byte."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.compressor.codecs import container, entropy
from services.compressor.codecs.base import DEFAULT_MAX_PIXELS, Codec, Pixels
from services.compressor.codecs.color import rgb_to_ycbcr, ycbcr_to_rgb
from services.compressor.codecs.errors import CorruptDataError, InvalidOptionError
from services.compressor.codecs.options import choice, real, whole
from services.compressor.codecs.registry import register

DEFAULT_QUALITY = 75

_CONTAINER_CODEC = 1
_YCBCR = 0b01
_LZMA = 0b10
_PREFIX = struct.Struct("<BB")
_ALPHA_BYTES = struct.Struct("<I")

# The matrix of the orthonormal 8-point DCT-II has 17 fractional bits; that of 8x8 blocks, its Kronecker
# square, has 34. Every product and sum below is a whole number under 2^53, so float64 arithmetic is exact
# whatever the order of the sums: BLAS gives the same bits on every CPU.
_MATRIX_BITS = 17
_BLOCK_BITS = 2 * _MATRIX_BITS
_MAX_COEFFICIENT = 2**15 - 1

_LUMA_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""ITU-T T.81, table K.1."""
_CHROMA_STEPS = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)
"""ITU-T T.81, table K.2."""


def _zigzag() -> list[int]:
    """Returns the index 8 u + v of each coefficient in JPEG's order (ITU-T T.81, figure A.6)."""

    def position(index: int) -> tuple[int, int]:
        u, v = divmod(index, 8)
        return u + v, u if (u + v) % 2 else v

    return sorted(range(64), key=position)


def _basis() -> npt.NDArray[np.float64]:
    """Returns [64, 64]: row i turns a block's 64 samples into coefficient i in zigzag order, times 2^34."""
    matrix = np.array(
        [
            [math.sqrt(1 / 8) if u == 0 else math.cos((2 * x + 1) * u * math.pi / 16) / 2 for x in range(8)]
            for u in range(8)
        ]
    )
    fixed_point = np.round(matrix * 2**_MATRIX_BITS)
    return np.kron(fixed_point, fixed_point)[_zigzag()].astype(np.float64)


_BASIS = _basis()
_SLAB_BLOCKS = 4096  # transformed at a time: 2 MB a channel, whatever the image's size


@register
@dataclass(frozen=True)
class Dct(Codec):
    """8x8 block DCT, quantised by a threshold or by a quality.

    `threshold` is the control of the study behind this product: in each channel, coefficients smaller
    than `threshold` times the channel's largest one are dropped, the others are rounded to whole numbers.
    `quality` is JPEG's: tables K.1 and K.2 of ITU-T T.81, scaled as libjpeg does.
    """

    id = "dct"
    technique = "dct"
    description = "8x8 DCT in GanPress's own container."
    media_type = "image/x-ganpress-dct"
    file_extension = ".gpc"
    is_lossless = False

    threshold: float | None = real(
        None,
        "above 0, below 1",
        lambda value: 0 < value < 1,
        "Coefficients smaller than this share of their channel's largest are dropped; not with quality.",
    )
    quality: int | None = whole(
        None,
        1,
        100,
        "Quality of JPEG-like quantisation; not with threshold.",
        default_text=f"{DEFAULT_QUALITY} without threshold",
    )
    color_space: str | None = choice(
        None,
        ("rgb", "ycbcr"),
        "Colour space in which the coefficients are taken; a grey image has none.",
        default_text="rgb with threshold, ycbcr with quality",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is not None and self.quality is not None:
            raise InvalidOptionError(
                "dct takes threshold or quality, not both "
                f"(threshold {self.threshold:g}, quality {self.quality})"
            )

    @classmethod
    def decode(cls, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
        """Gives back the image, bit for bit the same on every machine; see `Codec.decode`."""
        header = container.unpack(data, max_pixels=max_pixels)
        if header.codec != _CONTAINER_CODEC:
            raise CorruptDataError(f"the GanPress file is of codec {header.codec}, not of dct (1)")
        mode, quality, alpha, stream = _split_payload(header)
        color_channels = 1 if header.channels == 1 else 3
        rows, columns = -(-header.height_px // 8), -(-header.width_px // 8)
        shape = (color_channels, 64, rows, columns)
        quantised = entropy.unpack(stream, bool(mode & _LZMA), int(np.prod(shape))).reshape(shape)
        _sum_dc(quantised)
        steps = _steps(quality, color_channels, bool(mode & _YCBCR))
        image = _reconstruct(quantised, steps, is_ycbcr=bool(mode & _YCBCR))
        image = image[: header.height_px, : header.width_px]
        return image if alpha is None else np.concatenate([image, alpha], axis=2)

    def _encode(self, image: Pixels) -> bytes:
        height_px, width_px, channels = image.shape
        color = image[..., :3]
        is_ycbcr = channels > 1 and (self.color_space or ("rgb" if self.threshold else "ycbcr")) == "ycbcr"
        quality = 0 if self.threshold else self.quality or DEFAULT_QUALITY
        quantised = self._quantise(color, quality, is_ycbcr)
        _difference_dc(quantised)
        stream, is_lzma = entropy.pack(quantised)
        payload = _PREFIX.pack(_YCBCR * is_ycbcr | _LZMA * is_lzma, quality)
        if channels == 4:
            alpha = entropy.deflate(image[..., 3].tobytes())
            payload += _ALPHA_BYTES.pack(len(alpha)) + alpha
        return container.Container(_CONTAINER_CODEC, width_px, height_px, channels, payload + stream).pack()

    def _quantise(self, color: Pixels, quality: int, is_ycbcr: bool) -> npt.NDArray[np.int16]:
        """Returns the quantised coefficients, [channels, 64 (zigzag), block rows, block columns]."""
        height_px, width_px, channels = color.shape
        padded = np.pad(color, ((0, -height_px % 8), (0, -width_px % 8), (0, 0)), mode="edge")
        steps = _steps(quality, channels, is_ycbcr) * 2.0**_BLOCK_BITS
        least = np.zeros((channels, 1, 1, 1))
        if self.threshold:
            for _, slab in _transform(padded, is_ycbcr):
                np.maximum(least, np.abs(slab).max(axis=(1, 2, 3), keepdims=True), out=least)
            least *= self.threshold
        quantised = np.empty((channels, 64, padded.shape[0] // 8, padded.shape[1] // 8), np.int16)
        for rows, slab in _transform(padded, is_ycbcr):
            magnitude = np.abs(slab)
            levels = np.floor((magnitude + steps / 2) / steps)
            quantised[:, :, rows] = np.sign(slab) * np.where(magnitude < least, 0, levels)
        return quantised


def _split_payload(header: container.Container) -> tuple[int, int, Pixels | None, bytes]:
    """Returns mode, quality, alpha plane [height, width, 1] (None without alpha), coefficients' stream."""
    payload = header.payload
    try:
        mode, quality = _PREFIX.unpack_from(payload)
        if mode & ~(_YCBCR | _LZMA) or quality > 100 or (header.channels == 1 and mode & _YCBCR):
            raise CorruptDataError(
                f"the GanPress file has mode {mode} and quality {quality}, which have no meaning"
            )
        if header.channels < 4:
            return mode, quality, None, payload[_PREFIX.size :]
        (alpha_bytes,) = _ALPHA_BYTES.unpack_from(payload, _PREFIX.size)
    except struct.error as error:
        raise CorruptDataError("the GanPress file is too short for its image") from error
    start = _PREFIX.size + _ALPHA_BYTES.size
    shape = (header.height_px, header.width_px, 1)
    alpha = entropy.inflate(payload[start : start + alpha_bytes], int(np.prod(shape)))
    if len(alpha) != np.prod(shape):
        raise CorruptDataError("the GanPress file has an alpha plane of a wrong size")
    return mode, quality, np.frombuffer(alpha, np.uint8).reshape(shape), payload[start + alpha_bytes :]


def _steps(quality: int, channels: int, is_ycbcr: bool) -> npt.NDArray[np.float64]:
    """Returns the quantisation steps, [channels, 64 (zigzag), 1, 1]; quality 0 means steps of 1."""
    if quality == 0:
        return np.ones((channels, 64, 1, 1))
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = [_LUMA_STEPS] + [_CHROMA_STEPS if is_ycbcr else _LUMA_STEPS] * (channels - 1)
    scaled = np.clip((np.array(tables) * scale + 50) // 100, 1, 255)
    return scaled.reshape(channels, 64, 1, 1)[:, _zigzag()].astype(np.float64)


def _slabs(block_rows: int, block_columns: int) -> Iterator[slice]:
    """Cuts the rows of blocks into runs of about _SLAB_BLOCKS blocks: bounds memory on large images."""
    rows = max(1, _SLAB_BLOCKS // block_columns)
    return (slice(start, min(start + rows, block_rows)) for start in range(0, block_rows, rows))


def _transform(padded: Pixels, is_ycbcr: bool) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Yields rows of blocks and their coefficients times 2^34, [channels, 64 (zigzag), rows, columns]."""
    block_rows, block_columns = padded.shape[0] // 8, padded.shape[1] // 8
    for rows in _slabs(block_rows, block_columns):
        strip = padded[8 * rows.start : 8 * rows.stop]
        samples = rgb_to_ycbcr(strip) if is_ycbcr else strip
        blocks = samples.reshape(-1, 8, block_columns, 8, samples.shape[2]).transpose(4, 1, 3, 0, 2)
        centred = blocks.reshape(samples.shape[2], 64, -1).astype(np.float64) - 128
        yield rows, (_BASIS @ centred).reshape(samples.shape[2], 64, -1, block_columns)


def _reconstruct(quantised: npt.NDArray[np.int16], steps: npt.NDArray[np.float64], is_ycbcr: bool) -> Pixels:
    """Returns the image of quantised coefficients, [8 x block rows, 8 x block columns, channels]."""
    channels, _, block_rows, block_columns = quantised.shape
    image = np.empty((8 * block_rows, 8 * block_columns, channels), np.uint8)
    for rows in _slabs(block_rows, block_columns):
        coefficients = np.clip(quantised[:, :, rows] * steps, -_MAX_COEFFICIENT, _MAX_COEFFICIENT)
        scaled = _BASIS.T @ coefficients.reshape(channels, 64, -1)
        centred = np.floor((scaled + 2.0 ** (_BLOCK_BITS - 1)) / 2.0**_BLOCK_BITS)
        samples = np.clip(centred + 128, 0, 255).astype(np.uint8)
        blocks = samples.reshape(channels, 8, 8, -1, block_columns).transpose(3, 1, 4, 2, 0)
        strip = blocks.reshape(-1, 8 * block_columns, channels)
        image[8 * rows.start : 8 * rows.stop] = ycbcr_to_rgb(strip) if is_ycbcr else strip
    return image


def _difference_dc(quantised: npt.NDArray[np.int16]) -> None:
    """Replaces each DC coefficient by its difference from that to the left, in column 0 from that above."""
    dc = quantised[:, 0]
    dc[:, :, 1:] = np.diff(dc, axis=2)
    dc[:, 1:, 0] = np.diff(dc[:, :, 0], axis=1)


def _sum_dc(quantised: npt.NDArray[np.int16]) -> None:
    """Undoes `_difference_dc`; sums wrap modulo 2^16."""
    dc = quantised[:, 0]
    dc[:, :, 0] = np.cumsum(dc[:, :, 0], axis=1, dtype=np.int16)
    dc[:] = np.cumsum(dc, axis=2, dtype=np.int16)
