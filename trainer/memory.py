"""Memory that a training step frees stays the process's: the next step needs as much again."""

from __future__ import annotations

import ctypes
import sys

# From <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Makes the C library keep what is freed, for this process and from now on; returns whether it can.

    The GNU C library gives blocks of tens of MB back to the kernel when they are freed. A step frees and asks
    for hundreds of MB, and the kernel would clear each page of them anew: a seventh of a step's time on one
    core, a third on two. The process keeps the most that it ever needed.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # as in musl
        return False
    return all(
        (mallopt(_M_MMAP_MAX, 0), mallopt(_M_TRIM_THRESHOLD, 2**31 - 1), mallopt(_M_TOP_PAD, 64 << 20))
    )
