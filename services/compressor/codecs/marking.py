"""The mark by which a PNG of the k-means codec is known."""

from __future__ import annotations

from PIL import Image, PngImagePlugin

CHUNK = b"gpKM"
"""One byte, the number of channels of the image encoded.

By its letters' cases it is private, ancillary (viewers skip it) and unsafe to copy (editors drop it).
"""


def is_kmeans(image: Image.Image) -> bool:
    """Tells whether an opened PNG was written by the k-means codec."""
    return marked_channels(image) is not None


def marked_channels(image: Image.Image) -> int | None:
    """Returns the number of channels that the chunk states, None without a chunk."""
    chunks = image.private_chunks if isinstance(image, PngImagePlugin.PngImageFile) else []
    return next((chunk[1][0] for chunk in chunks if chunk[0] == CHUNK and chunk[1]), None)
