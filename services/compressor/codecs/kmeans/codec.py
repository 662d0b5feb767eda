"""The k-means codec; docs/codecs/kmeans.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.compressor.codecs import container
from services.compressor.codecs.base import DEFAULT_MAX_PIXELS, Codec, Pixels
from services.compressor.codecs.errors import CorruptDataError
from services.compressor.codecs.kmeans import packing
from services.compressor.codecs.kmeans.clustering import cluster, sorted_palette
from services.compressor.codecs.kmeans.dither import dither
from services.compressor.codecs.kmeans.histogram import count_colors, packed_colors, unpacked_colors
from services.compressor.codecs.kmeans.png import indexed_png
from services.compressor.codecs.kmeans.space import points_of
from services.compressor.codecs.marking import marked_channels
from services.compressor.codecs.options import flag, real, whole
from services.compressor.codecs.reading import open_image, read_pixels
from services.compressor.codecs.registry import register

PACKED_MEDIA_TYPE = "image/x-ganpress-palette"
PACKED_FILE_EXTENSION = ".gpc"


@register
@dataclass(frozen=True)
class Kmeans(Codec):
    """K-means clustering of the pixels' colours: a palette of at most k colours and an index a pixel.

    An image of at most k colours keeps them exactly. Transparency is clustered with the colour; fully
    transparent pixels count as one colour. The same seed gives the same palette on every machine.
    """

    id = "kmeans"
    technique = "kmeans"
    description = "Palette of k colours by k-means, in an indexed PNG or packed smaller."
    media_type = "image/png"
    file_extension = ".png"
    is_lossless = False

    k: int = whole(64, 1, 256, "Number of colours.")
    seed: int = whole(0, 0, 2**32 - 1, "Seed of the clustering: the same seed gives the same file.")
    dither: float = real(0.0, "0..1", lambda value: 0 <= value <= 1, "Strength of error diffusion.")
    pack: bool = flag(False, "A file of our own, a third smaller than PNG.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pack:
            object.__setattr__(self, "media_type", PACKED_MEDIA_TYPE)
            object.__setattr__(self, "file_extension", PACKED_FILE_EXTENSION)

    @classmethod
    def decode(cls, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
        """See `Codec.decode`."""
        if container.is_container(data):
            return packing.unpack(data, max_pixels=max_pixels)
        with open_image(data, ("PNG",)) as image:
            channels = marked_channels(image)
        if channels is None:
            raise CorruptDataError("the PNG file was not written by the kmeans codec: it has no gpKM chunk")
        return read_pixels(data, max_pixels, ("PNG",))[..., :channels]

    def _encode(self, image: Pixels) -> bytes:
        indices, palette = self.quantise(image)
        return packing.pack(indices, palette) if self.pack else indexed_png(indices, palette)

    def quantise(self, image: Pixels) -> tuple[npt.NDArray[np.uint8], Pixels]:
        """Returns each pixel's palette entry, uint8 [height, width], and the palette, [entries, channels]."""
        height_px, width_px, channels = image.shape
        distinct, counts, numbers = count_colors(packed_colors(image))
        numbers = numbers.reshape(height_px, width_px)
        colors = unpacked_colors(distinct, channels)
        if len(colors) <= self.k:
            order, palette = sorted_palette(colors)
            labels = np.argsort(order).astype(np.uint8)
        else:
            palette, labels = cluster(colors, counts, self.k, self.seed)
        if self.dither and len(palette) < len(colors):
            return dither(points_of(colors), labels, numbers, points_of(palette), self.dither), palette
        return labels[numbers], palette
