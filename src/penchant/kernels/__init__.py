"""Numba kernels: plain arrays in, plain arrays out; serial, without the GIL, cached.

A kernel works on the rows ``[lo, hi)`` and never starts a thread; ``kernels.threads`` runs it over blocks of rows. Each
file holds its own functions and nothing captured from outside but single ``instructions``, so that a stale cache cannot
happen. The caller checks bounds, dtypes and emptiness: a kernel trusts what it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["fast_kernel", "kernel"]


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` without the GIL and cache it; where no folder is writable it is compiled afresh."""
    try:
        return cast("Callable[P, R]", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
    except RuntimeError:  # numba found no folder to cache in
        return cast("Callable[P, R]", numba.njit(nogil=True, error_model="numpy")(function))


def fast_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """As ``kernel``, and the compiler may fuse and reorder sums so that they use the whole vector unit.

    On one machine the results are the same every time; processors of another kind may differ in the last bits.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    try:
        return cast("Callable[P, R]", numba.njit(cache=True, **options)(function))
    except RuntimeError:  # numba found no folder to cache in
        return cast("Callable[P, R]", numba.njit(**options)(function))
