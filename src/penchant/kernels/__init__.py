"""Numba kernels: plain arrays in, plain arrays out; serial, without the GIL, compiled once.

A kernel processes the rows ``[lo, hi)`` and never starts a thread; ``kernels.threads`` runs it over blocks of rows. The
caller checks bounds, dtypes and empty arrays: a kernel trusts its arguments.

Where machine code for a kernel lies ready (``kernels.ready``), it is called without a compiler. Otherwise Numba
compiles it at the first call and caches the result. Numba's cache does not notice when an imported file changes. So a
kernel file uses only its own functions and those of ``instructions`` and ``keys``; after changing one of these two or
``intrinsics``, delete the cached files.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from numpy import ndarray

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["Kernel", "at_hand", "fast_kernel", "kernel"]

_LAYOUT = 0x1 | 0x2 | 0x100 | 0x400  # what the type of an array depends on: C order, F order, aligned, writable
_lock = threading.RLock()


class Kernel:
    """A compiled function: for each combination of argument types, ready-made machine code or that of Numba."""

    caching = True  # of what Numba compiles

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self.options = options
        self.asked: dict[tuple[Any, ...], Callable[..., Any]] = {}  # by the types of the arguments
        self.missing: set[tuple[Any, ...]] = set()  # types that no machine code lies ready for

    def __call__(self, *args: Any) -> Any:
        key = _types(args)
        code = self.asked.get(key)
        return code(*args) if code is not None else self._find(key, args)(*args)

    def at_hand(self, args: tuple[Any, ...]) -> Callable[..., Any] | None:
        """The code for arguments of these types, if no compiler is needed: it lies ready, or has been called before."""
        key = _types(args)
        code = self.asked.get(key)
        if code is not None or key in self.missing:
            return code
        from penchant.kernels.ready import machine_code

        with _lock:
            code = self.asked.get(key) or machine_code(self.py_func, args)
            if code is None:
                self.missing.add(key)
            else:
                self.asked[key] = code
            return code

    def _find(self, key: tuple[Any, ...], args: tuple[Any, ...]) -> Callable[..., Any]:
        from penchant.kernels.ready import machine_code

        with _lock:
            if key not in self.asked:
                self.asked[key] = machine_code(self.py_func, args) or self.dispatcher
            return self.asked[key]

    @functools.cached_property
    def dispatcher(self) -> Any:
        """The function of Numba, which compiles for any types and caches the result where a folder is writable."""
        from penchant.kernels.compiling import numba

        njit = functools.partial(numba().njit, nogil=True, error_model="numpy", **self.options)
        try:
            return njit(cache=self.caching)(self.py_func)
        except RuntimeError:  # numba found no writable cache folder
            return njit()(self.py_func)

    @property
    def _numba_type_(self) -> Any:  # what Numba asks where another kernel calls this one
        return self.dispatcher._numba_type_


def at_hand(function: Callable[..., Any], *args: Any) -> Callable[..., Any] | None:
    """The code of a kernel for arguments of these types, or None where calling it would need a compiler."""
    return cast("Kernel", function).at_hand(args)


def _types(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The types of the arguments, as far as code depends on them."""
    return tuple(
        [(one.dtype.str, one.ndim, one.flags.num & _LAYOUT) if type(one) is ndarray else type(one) for one in args]
    )


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` to run without the GIL."""
    return cast("Callable[P, R]", Kernel(function, {}))


def fast_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Like ``kernel``, but let the compiler fuse and reorder sums to use the full width of the vector unit.

    Results are reproducible on one machine; other processors may differ in the last bits.
    """
    return cast("Callable[P, R]", Kernel(function, {"fastmath": {"contract", "reassoc", "nsz"}}))
