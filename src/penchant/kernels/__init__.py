"""Numba kernels: plain arrays in, plain arrays out; serial, without the GIL, cached.

A kernel processes the rows ``[lo, hi)`` and never starts a thread; ``kernels.threads`` runs it over blocks of rows. The
caller checks bounds, dtypes and empty arrays: a kernel trusts its arguments.

Numba's cache does not notice when an imported file changes. So a kernel file uses only its own functions and those of
``instructions`` and ``keys``; after changing one of these two, delete the cached files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["fast_kernel", "kernel"]


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` to run without the GIL, and cache the result; without a writable folder, skip the cache."""
    try:
        return cast("Callable[P, R]", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
    except RuntimeError:  # numba found no writable cache folder
        return cast("Callable[P, R]", numba.njit(nogil=True, error_model="numpy")(function))


def fast_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Like ``kernel``, but let the compiler fuse and reorder sums to use the full width of the vector unit.

    Results are reproducible on one machine; other processors may differ in the last bits.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    try:
        return cast("Callable[P, R]", numba.njit(cache=True, **options)(function))
    except RuntimeError:  # numba found no writable cache folder
        return cast("Callable[P, R]", numba.njit(**options)(function))
