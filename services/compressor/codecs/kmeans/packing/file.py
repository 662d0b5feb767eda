"""The packed palette file: docs/codecs/kmeans.md has it byte by byte."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.compressor.codecs import container
from services.compressor.codecs.base import Pixels
from services.compressor.codecs.coding import finish, new_decoder, new_encoder, readable
from services.compressor.codecs.errors import CorruptDataError
from services.compressor.codecs.kmeans.packing.model import code_indices
from services.compressor.codecs.kmeans.packing.order import similar_first

_LEAST_BLOCKS_BITS, _MOST_BLOCKS_BITS = 4, 16
_MARGIN_BYTES = 64


def pack(indices: npt.NDArray[np.uint8], palette: Pixels) -> bytes:
    """Returns the file.

    Args:
        indices: Entry of each pixel, [height, width].
        palette: At most 256 colours, [entries, 1, 3 or 4]; the file has them in another order.
    """
    height_px, width_px = indices.shape
    order = similar_first(palette)
    renumbered = np.argsort(order).astype(np.uint8)[indices]
    palette = palette[order]
    payload = bytes([len(palette) - 1]) + palette.tobytes()
    if len(palette) > 1:
        # An index never costs more than its 8 bits and what the mixer needs to learn: twice is enough.
        buffer = np.zeros(2 * indices.size + _MARGIN_BYTES, np.uint8)
        coder = new_encoder()
        code_indices(coder, buffer, renumbered, _rgba(palette), *_sizes(palette, indices.size))
        payload += finish(coder, buffer)
    return container.Container(container.PALETTE, width_px, height_px, palette.shape[1], payload).pack()


def unpack(data: bytes, *, max_pixels: int) -> Pixels:
    """Gives back the image in a file.

    Raises:
        CorruptDataError: It is no such file, or it was truncated or altered.
        TooManyPixelsError: Its header announces more than `max_pixels` pixels.
    """
    held = container.unpack(data, max_pixels=max_pixels)
    if held.codec != container.PALETTE:
        raise CorruptDataError(
            f"the GanPress file holds codec {held.codec}; a packed palette is {container.PALETTE}"
        )
    entries = entries_of(held.payload)
    end = 1 + entries * held.channels
    if len(held.payload) < end:
        raise CorruptDataError(
            f"the packed palette is truncated: {entries} colours take {end} bytes of {len(held.payload)}"
        )
    palette = np.frombuffer(held.payload[1:end], np.uint8).reshape(entries, held.channels)
    indices = np.zeros((held.height_px, held.width_px), np.uint8)
    if entries > 1:
        stream = readable(held.payload[end:])
        code_indices(new_decoder(stream), stream, indices, _rgba(palette), *_sizes(palette, indices.size))
        if int(indices.max()) >= entries:
            raise CorruptDataError(
                f"the packed palette is broken: a pixel has entry {indices.max()} of {entries} colours"
            )
    return palette[indices]


def entries_of(payload: bytes) -> int:
    """Returns the number of colours that a file's payload announces.

    Raises:
        CorruptDataError: The payload is empty.
    """
    if not payload:
        raise CorruptDataError("the packed palette is truncated: its payload is empty")
    return payload[0] + 1


def _sizes(palette: Pixels, pixels: int) -> tuple[int, int]:
    """Returns the bits of an entry, and the bits of the number of a context's blocks of models."""
    blocks_bits = min(max(pixels.bit_length(), _LEAST_BLOCKS_BITS), _MOST_BLOCKS_BITS)
    return (len(palette) - 1).bit_length(), blocks_bits


def _rgba(palette: Pixels) -> npt.NDArray[np.int64]:
    """Returns the palette as RGBA, int64 [256, 4]; entries that it lacks are 0."""
    colors = np.zeros((256, 4), np.int64)
    colors[: len(palette), :3] = palette[:, :3] if palette.shape[1] > 1 else palette
    colors[: len(palette), 3] = palette[:, 3] if palette.shape[1] == 4 else 255
    return colors
