"""K-means colour quantisation to an indexed PNG; docs/codecs/kmeans.md."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from services.compressor.codecs.base import DEFAULT_MAX_PIXELS, Codec, Pixels
from services.compressor.codecs.errors import CorruptDataError
from services.compressor.codecs.options import whole
from services.compressor.codecs.reading import open_image, read_pixels
from services.compressor.codecs.registry import register

_CHUNK = b"gpKM"
"""Private PNG chunk that marks our files: one byte, the number of channels of the image encoded.

By its letters' cases it is ancillary (viewers skip it) and unsafe to copy (editors drop it).
"""
_ASSIGNED_AT_ONCE = 1 << 16
_MOST_CLUSTERED = 1 << 16
"""Most distinct colours that are clustered one by one; more are joined first, or noise takes minutes."""


@register
@dataclass(frozen=True)
class Kmeans(Codec):
    """K-means clustering of the pixels' colours: a palette of at most k colours and an index a pixel.

    An image of at most k colours keeps them exactly. Transparency is clustered with the colour; fully
    transparent pixels count as one colour. The same seed gives the same file.
    """

    id = "kmeans"
    technique = "kmeans"
    description = "Palette of k colours by k-means, in an indexed PNG."
    media_type = "image/png"
    file_extension = ".png"
    is_lossless = False

    k: int = whole(64, 1, 256, "Number of colours.")
    seed: int = whole(0, 0, 2**32 - 1, "Seed of the clustering: the same seed gives the same file.")

    @classmethod
    def decode(cls, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
        """See `Codec.decode`."""
        with open_image(data, ("PNG",)) as image:
            channels = _marked_channels(image)
        if channels is None:
            raise CorruptDataError("the PNG file was not written by the kmeans codec: it has no gpKM chunk")
        return read_pixels(data, max_pixels, ("PNG",))[..., :channels]

    def _encode(self, image: Pixels) -> bytes:
        height_px, width_px, channels = image.shape
        visible = np.where(image[..., 3:] == 0, np.uint8(0), image) if channels == 4 else image
        colors, positions, counts = _unique_colors(visible.reshape(-1, channels))
        palette = colors if len(colors) <= self.k else self._cluster(colors, counts)
        indices = _nearest(colors, palette)[positions].reshape(height_px, width_px)
        return _indexed_png(indices, palette)

    def _cluster(self, colors: Pixels, counts: npt.NDArray[np.int64]) -> Pixels:
        """Returns at most k colours, [colours, channels], that stand for the given ones."""
        # It takes a second to import, which most users of the library need not wait for.
        from sklearn.cluster import KMeans  # pyright: ignore[reportMissingTypeStubs]

        points, weights = colors.astype(np.float32), counts
        if len(colors) > _MOST_CLUSTERED:
            points, weights = _joined(colors, counts)
        clustering = cast("Any", KMeans)(self.k, n_init=1, random_state=self.seed)
        # On several threads the centres' sums would depend on which thread came first.
        with threadpool_limits(1, "openmp"):
            clustering.fit(points, sample_weight=weights)
        centers = np.clip(np.rint(clustering.cluster_centers_), 0, 255).astype(np.uint8)
        palette: Pixels = np.unique(centers, axis=0)
        # Once rounded, a centre may be nobody's nearest.
        return palette[np.unique(_nearest(colors, palette))]


def is_kmeans(image: Image.Image) -> bool:
    """Tells whether an opened file was written by this codec."""
    return _marked_channels(image) is not None


def _marked_channels(image: Image.Image) -> int | None:
    """Returns the number of channels that our chunk states, None without a chunk."""
    chunks = image.private_chunks if isinstance(image, PngImagePlugin.PngImageFile) else []
    return next((chunk[1][0] for chunk in chunks if chunk[0] == _CHUNK and chunk[1]), None)


def _unique_colors(pixels: Pixels) -> tuple[Pixels, npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Returns the colours of [pixels, channels], each pixel's index among them, and their pixel counts."""
    packed = np.zeros(len(pixels), np.uint32)
    for channel in range(pixels.shape[1]):
        packed = packed << 8 | pixels[:, channel]
    unique, positions, counts = np.unique(packed, return_inverse=True, return_counts=True)
    channels = [(unique >> 8 * i & 0xFF).astype(np.uint8) for i in reversed(range(pixels.shape[1]))]
    return np.stack(channels, axis=1), positions, counts


def _joined(
    colors: Pixels, counts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Returns the mean colours of cells of 8 levels a channel, float32 [cells, channels], and counts."""
    _, cells, _ = _unique_colors(colors >> np.uint8(3))
    weights = np.bincount(cells, counts)
    means = [np.bincount(cells, counts * channel) / weights for channel in colors.T]
    return np.stack(means, axis=1).astype(np.float32), weights.astype(np.int64)


def _nearest(colors: Pixels, palette: Pixels) -> npt.NDArray[np.uint8]:
    """Returns the number of the palette's colour nearest to each, the first one of equals.

    Whole numbers below 2^24 make float32 arithmetic exact, so the choice is the same on every machine.
    """
    entries = palette.astype(np.float32)
    squares = np.square(entries).sum(axis=1)
    nearest = np.empty(len(colors), np.uint8)
    for start in range(0, len(colors), _ASSIGNED_AT_ONCE):
        part = slice(start, start + _ASSIGNED_AT_ONCE)
        nearest[part] = np.argmin(squares - 2 * colors[part].astype(np.float32) @ entries.T, axis=1)
    return nearest


def _indexed_png(indices: npt.NDArray[np.uint8], palette: Pixels) -> bytes:
    """Writes an indexed PNG with 1, 2, 4 or 8 bits a pixel, as few as the palette allows."""
    channels = palette.shape[1]
    image = Image.fromarray(indices)
    rgb = np.repeat(palette, 3, axis=1) if channels == 1 else palette[:, :3]
    image.putpalette(rgb.tobytes())
    info = PngImagePlugin.PngInfo()
    info.add(_CHUNK, bytes([channels]))
    transparency = {"transparency": palette[:, 3].tobytes()} if channels == 4 else {}
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info, compress_level=9, **transparency)
    return buffer.getvalue()
