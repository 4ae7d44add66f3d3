"""Keep freed memory in the process while a network is trained: the next step allocates the same tensors again.

glibc returns memory to the system as soon as some MiB at the end of the heap are free. The kernel must then map and
clear every page again, which takes a sixth of a pass of Mult-VAE over ml-1m.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

TRIM, MAP = -1, -3  # options of mallopt: the trim and the mmap threshold
LARGEST = 32 * 2**20  # glibc maps larger blocks separately in any case
KEEP = 2**30  # free memory to keep: more than a step frees


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory for the next step; afterwards glibc's own upper limits apply. Does nothing on other systems."""
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MAP, LARGEST)
    libc.mallopt(TRIM, KEEP)
    try:
        yield
    finally:
        libc.mallopt(TRIM, 2 * LARGEST)
        libc.malloc_trim(0)
