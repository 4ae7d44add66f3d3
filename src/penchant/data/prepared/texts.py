"""Many ids on disk: parts of an Arrow file each, mapped into memory when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import polars as pl


class Texts(Sequence[str]):
    """The ids in the files ``000000.arrow``, ``000001.arrow``, ... of a folder, whose sizes are known."""

    def __init__(self, folder: Path, sizes: Sequence[int]) -> None:
        self.folder, self.sizes = folder, list(sizes)
        self.ends = list(accumulate(self.sizes))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __iter__(self) -> Iterator[str]:
        for number in range(len(self.sizes)):
            yield from self.part(number).to_list()

    def part(self, number: int) -> pl.Series:
        """The ids of one file."""
        import polars as pl

        return pl.read_ipc(self.folder / name(number)).to_series()

    @cached_property
    def _parts(self) -> list[pl.Series]:
        return [self.part(number) for number in range(len(self.sizes))]

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            lo, hi, step = index.indices(len(self))
            if step == 1:
                return self._between(lo, hi)
            return [self[at] for at in range(lo, hi, step)]
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"there are {len(self)} ids, not {index}")
        return self._between(at, at + 1)[0]

    def _between(self, lo: int, hi: int) -> list[str]:
        out: list[str] = []
        for part, size, end in zip(self._parts, self.sizes, self.ends, strict=True):
            start = end - size
            if start < hi and lo < end:
                out += part[max(lo - start, 0) : min(hi - start, size)].to_list()
        return out


def name(number: int) -> str:
    """The file of a part."""
    return f"{number:06}.arrow"


def write(ids: pl.Series, folder: Path, number: int) -> None:
    """Write a part; it appears complete or not at all."""
    from penchant.core.outputs import replacing_file

    with replacing_file(folder / name(number)) as fresh:
        ids.alias("id").to_frame().write_ipc(fresh, compression="uncompressed")
