"""Between pixels and the planes that are transformed.

The encoder works in floating point, the decoder in integers: samples of planes have 4 fractional bits and lie
around 0. Colour is that of ITU-T T.871 (JFIF), full range.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs.base import Pixels
from services.compressor.codecs.coding import compiled

Plane = npt.NDArray[np.float32]
Samples = npt.NDArray[np.int16]

_TO_YCBCR = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)


def split(pixels: Pixels, *, to_ycbcr: bool, halved: bool) -> list[Plane]:
    """Returns the planes of [height, width, 1 or 3] pixels, padded to multiples of 8 by their edges."""
    if pixels.shape[2] == 1:
        return [_padded(pixels[..., 0].astype(np.float32) - 128)]
    planes = np.empty((3, *pixels.shape[:2]), np.float32)
    matrix = _TO_YCBCR if to_ycbcr else np.eye(3, dtype=np.float32)
    _split_colours(np.ascontiguousarray(pixels), matrix, planes)
    planes[: 1 if to_ycbcr else 3] -= 128
    chroma: list[Plane] = [planes[1], planes[2]]
    return [_padded(planes[0]), *(_padded(_halved(plane) if halved else plane) for plane in chroma)]


@compiled
def _split_colours(pixels: Pixels, matrix: Plane, planes: Plane) -> None:
    height, width = pixels.shape[:2]
    for y in range(height):
        for x in range(width):
            r = np.float32(pixels[y, x, 0])
            g = np.float32(pixels[y, x, 1])
            b = np.float32(pixels[y, x, 2])
            for i in range(3):
                planes[i, y, x] = matrix[i, 0] * r + matrix[i, 1] * g + matrix[i, 2] * b


def _padded(plane: Plane) -> Plane:
    height, width = plane.shape
    return np.pad(plane, ((0, -height % 8), (0, -width % 8)), mode="edge")


def _halved(plane: Plane) -> Plane:
    """Returns the means of 2 x 2 samples."""
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)


def join(planes: list[Samples], height: int, width: int, *, from_ycbcr: bool, halved: bool) -> Pixels:
    """Returns the pixels of decoded planes, uint8 [height, width, 1 or 3]."""
    if len(planes) == 1:
        grey = (planes[0][:height, :width].astype(np.int32) + 2056) >> 4
        return np.clip(grey, 0, 255).astype(np.uint8)[..., np.newaxis]
    first, second, third = planes
    if halved:
        second, third = (_doubled(plane, height, width) for plane in (second, third))
    pixels = np.empty((height, width, 3), np.uint8)
    _join_colours(first, second, third, from_ycbcr, pixels)
    return pixels


@compiled
def _join_colours(first: Samples, second: Samples, third: Samples, from_ycbcr: bool, pixels: Pixels) -> None:
    height, width = pixels.shape[:2]
    for y in range(height):
        for x in range(width):
            a = np.int64(first[y, x]) + 2048
            b = np.int64(second[y, x])
            c = np.int64(third[y, x])
            if from_ycbcr:
                red = ((a << 16) + 91881 * c + (1 << 19)) >> 20
                green = ((a << 16) - 22554 * b - 46802 * c + (1 << 19)) >> 20
                blue = ((a << 16) + 116130 * b + (1 << 19)) >> 20
            else:
                red, green, blue = (a + 8) >> 4, (b + 2056) >> 4, (c + 2056) >> 4
            pixels[y, x, 0] = min(max(red, 0), 255)
            pixels[y, x, 1] = min(max(green, 0), 255)
            pixels[y, x, 2] = min(max(blue, 0), 255)


def _doubled(plane: Samples, height: int, width: int) -> Samples:
    """Returns a plane of twice the size, by weights of 3/4 and 1/4 of the samples at hand."""
    small_height, small_width = (height + 1) // 2, (width + 1) // 2
    doubled = np.empty((2 * small_height, 2 * small_width), np.int16)
    _double(np.ascontiguousarray(plane[:small_height, :small_width]), doubled)
    return doubled


@compiled
def _double(plane: Samples, doubled: Samples) -> None:
    height, width = plane.shape
    for y in range(2 * height):
        near_y = y >> 1
        far_y = min(max(near_y + (1 if y & 1 else -1), 0), height - 1)
        for x in range(2 * width):
            near_x = x >> 1
            far_x = min(max(near_x + (1 if x & 1 else -1), 0), width - 1)
            total = 9 * np.int64(plane[near_y, near_x]) + 3 * np.int64(plane[far_y, near_x])
            total += 3 * np.int64(plane[near_y, far_x]) + np.int64(plane[far_y, far_x])
            doubled[y, x] = (total + 8) >> 4
