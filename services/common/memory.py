"""How this process takes memory from the system and gives it back."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_KEPT_BYTES = 128 * 2**20
_OWN_MAPPING_BYTES = 32 * 2**20  # the most that glibc takes; Pillow's blocks are of 16 MiB


def keep_freed_memory() -> None:
    """Lets the allocator keep up to 128 MiB that are freed; no effect but with glibc.

    Otherwise it hands the samples of every image back to the system and takes them anew, page by page, each
    of them zeroed: up to a third of the time to read and write a JPEG.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, _OWN_MAPPING_BYTES)
