"""While a network is trained, freed memory stays with the process: the next step asks for the same tensors again.

glibc gives memory back to the system as soon as some MiB at the end of the heap are free, and every page that a tensor
then gets anew is first cleared, and costs a trip into the kernel: of a pass of Mult-VAE over ml-1m, a sixth.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

TRIM, MAP = -1, -3  # of mallopt: free memory at the end of the heap, and sizes, from which on it is the system's
LARGEST = 32 * 2**20  # glibc gives larger pieces a mapping of their own, whatever it is told
KEEP = 2**30  # free memory that stays: more than a step frees


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory for the next step; afterwards glibc's own upper limits hold. Does nothing on other systems."""
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
