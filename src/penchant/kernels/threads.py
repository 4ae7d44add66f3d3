"""The only code that creates threads: it runs a serial kernel over blocks of rows.

Results do not depend on the number of threads: blocks have a fixed size, and each block writes only its own rows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

T = TypeVar("T")
LOADS_BLAS = {"numpy", "scipy.linalg._fblas", "torch"}  # modules that load a library of their own


def available() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def blocks(n_rows: int, size: int) -> Iterator[tuple[int, int]]:
    """Ranges ``[lo, hi)`` of at most ``size`` rows that cover ``n_rows``."""
    return ((lo, min(lo + size, n_rows)) for lo in range(0, n_rows, max(1, size)))


def over_blocks(
    work: Callable[[int, int], T],
    n_rows: int,
    *,
    size: int,
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
    crew: ThreadPoolExecutor | None = None,
) -> list[T]:
    """Call ``work(lo, hi)`` for every block of ``size`` rows and return the results in block order.

    The blocks run on ``threads`` threads (0: all cores), or on an existing ``crew``. ``work`` gains from threads only
    if it releases the GIL (a kernel, BLAS), and must write only to its own rows. ``progress(done, n_rows)`` is called
    after each block, from the calling thread. The first error stops the work.
    """
    return list(iter_blocks(work, n_rows, size=size, threads=threads, progress=progress, crew=crew))


def iter_blocks(
    work: Callable[[int, int], T],
    n_rows: int,
    *,
    size: int,
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
    crew: ThreadPoolExecutor | None = None,
) -> Iterator[T]:
    """Like ``over_blocks``, but yield each block's result as soon as it and all earlier blocks are done.

    At most two blocks per thread are running or waiting, so memory is bounded for any ``n_rows``.
    """
    spans = list(blocks(n_rows, size))
    workers = min(threads or available(), len(spans))

    def report(done: Iterable[tuple[int, int]]) -> None:
        for _, hi in done:
            if progress is not None:
                progress(hi, n_rows)

    if workers <= 1:
        for lo, hi in spans:
            yield work(lo, hi)
            report([(lo, hi)])
        return
    with _threads(workers) if crew is None else nullcontext(crew) as pool:
        waiting = [pool.submit(work, lo, hi) for lo, hi in spans[: 2 * workers]]
        try:
            for number, span in enumerate(spans):
                result = waiting.pop(0).result()
                upcoming = number + 2 * workers
                if upcoming < len(spans):
                    waiting.append(pool.submit(work, *spans[upcoming]))
                yield result
                report([span])
        finally:
            for future in waiting:
                future.cancel()


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; the next one is made on a thread of its own while the one before it is used.

    ``items`` must not depend on what is done with them, and gain only if making or using them releases the GIL.
    """
    if available() == 1:
        yield from items
        return
    over = object()
    with _threads(1) as hand:
        following = hand.submit(next, items, over)
        try:
            while (item := following.result()) is not over:
                following = hand.submit(next, items, over)
                yield item  # type: ignore[misc]  # it is not the end
        finally:
            wait([following])
            if (close := getattr(items, "close", None)) is not None:
                close()


def crew(threads: int) -> AbstractContextManager[ThreadPoolExecutor | None]:
    """Threads shared by many short calls of ``over_blocks``: starting two threads takes as long as a small block.

    None for a single thread. Usage: ``with crew(run.threads) as hands: over_blocks(…, crew=hands)``
    """
    workers = threads or available()
    return _threads(workers) if workers > 1 else nullcontext()


def _threads(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="penchant")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run BLAS and LAPACK on the calling thread only.

    Their own threads would keep spinning on the cores that our blocks need next (measured: twice the time), and their
    number would affect the last bits of the results.
    """
    with _libraries(frozenset(LOADS_BLAS & sys.modules.keys())).limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries(_loaded: frozenset[str]) -> ThreadpoolController:
    """The BLAS libraries of this process; looking for them takes longer than a small product, so it is done once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
