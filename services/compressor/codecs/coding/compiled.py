"""How functions of this library are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiles a function on its first call, keeps the machine code on disk and releases the GIL in it.

    Numba does not look at annotations; call a function with the same types always, else it is compiled
    again. Arrays that come from `bytes` are read-only, which is another type: copy them.
    """
    return numba.njit(cache=True, nogil=True)(function)  # pyright: ignore
