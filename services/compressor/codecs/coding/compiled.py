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
    return numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True)(function)  # pyright: ignore


def inner(function: Function) -> Function:
    """Compiles a function that only compiled functions call, as a part of them.

    It has no machine code of its own on disk and no way from Python, which saves a third of the time. Numba
    does not notice that a function has changed which one in another file calls: clear its cache then.
    """
    options = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(**options)(function)  # pyright: ignore
