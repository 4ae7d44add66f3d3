"""Blocks over threads: the order of results, reused threads, errors."""

from __future__ import annotations

import threading

import pytest

from penchant.kernels.threads import crew, over_blocks


def spans(lo: int, hi: int) -> tuple[int, int]:
    return lo, hi


BLOCKS = [(lo, min(lo + 3, 20)) for lo in range(0, 20, 3)]


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_results_come_in_the_order_of_blocks(threads: int) -> None:
    assert over_blocks(spans, 20, size=3, threads=threads) == BLOCKS
    with crew(threads) as hands:
        for _ in range(3):
            assert over_blocks(spans, 20, size=3, threads=threads, crew=hands) == BLOCKS


def test_a_crew_is_the_same_threads_for_every_call_and_ends_with_its_block() -> None:
    before, seen = threading.active_count(), set[int]()
    with crew(2) as hands:
        for _ in range(20):
            seen |= set(over_blocks(lambda _lo, _hi: threading.get_ident(), 40, size=1, threads=2, crew=hands))
        assert 1 <= len(seen) <= 2
        assert threading.get_ident() not in seen
    assert threading.active_count() == before
    with crew(1) as nobody:
        assert nobody is None


def test_an_error_of_a_block_is_raised_and_leaves_the_crew_usable() -> None:
    def fail(lo: int, _hi: int) -> int:
        if lo == 6:
            raise ValueError("block of 6")
        return lo

    with crew(2) as hands:
        with pytest.raises(ValueError, match="block of 6"):
            over_blocks(fail, 20, size=3, threads=2, crew=hands)
        assert over_blocks(spans, 20, size=3, threads=2, crew=hands) == BLOCKS
