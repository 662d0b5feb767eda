"""How functions of this library are compiled."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import numba
import scipy  # pyright: ignore[reportMissingTypeStubs]


def _import_blas_alone() -> None:
    """Imports SciPy's BLAS without the package around it.

    Numba asks for it before the first function; all of `scipy.linalg` would take a sixth of the time from a
    process's start to its first image. Whoever imports that later gets it whole.
    """
    if "scipy.linalg" in sys.modules:
        return
    around = ModuleType("scipy.linalg")
    around.__path__ = [f"{path}/linalg" for path in scipy.__path__]
    sys.modules["scipy.linalg"] = around
    try:
        importlib.import_module("scipy.linalg.cython_blas")
    finally:
        del sys.modules["scipy.linalg"]


_import_blas_alone()

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiles a function on its first call, keeps the machine code on disk and releases the GIL in it.

    Numba does not look at annotations; call a function with the same types always, else it is compiled
    again. Arrays that come from `bytes` are read-only, which is another type: copy them.
    """
    return numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True)(function)  # pyright: ignore


def lean(function: Function) -> Function:
    """Compiles like `compiled` a function that makes no arrays, so that none of its references are counted.

    Counting them, at every use of an array, would take most of the time of a function that handles a bit.
    """
    options = {"nogil": True, "no_cfunc_wrapper": True, "forceinline": True, "_nrt": False}
    return numba.njit(cache=True, **options)(function)  # pyright: ignore


def inner(function: Function) -> Function:
    """Compiles a function that only compiled functions call, as a part of them; it makes no arrays.

    It has no machine code of its own on disk and no way from Python, which saves a third of the time. Numba
    does not notice that a function has changed which one in another file calls: clear its cache then.
    """
    options = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
    return numba.njit(_nrt=False, **options)(function)  # pyright: ignore
