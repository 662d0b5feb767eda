"""A file of raw data that should be an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class RawImage:
    """A file that should be an image, with what its source says of it."""

    name: str
    """Path within the source, with forward slashes."""
    data: bytes | None
    """Content of the file; None when the source names a file that is not there."""
    class_name: str | None = None
    """Name of its class, None where the source tells none."""
    box_px: tuple[int, int, int, int] | None = None
    """Left, top, right, bottom to cut to, where the source knows it."""
    split: str | None = None
    """Split it belongs to; None: as its path says."""


@dataclass(frozen=True)
class Source:
    """Raw data that was found."""

    kind: str
    """`folder`, `tar` or `stanford-cars`."""
    images: Iterator[RawImage]
    """Every file, in any order; reading on may raise SourceError."""
