"""Blocks over threads: the order of results, reused threads, errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from penchant.kernels.threads import ahead, crew, over_blocks


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


@pytest.fixture(params=[1, 2])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("penchant.kernels.threads.available", lambda: request.param)
    return int(request.param)


def test_items_made_ahead_are_the_same_in_the_same_order(cores: int) -> None:
    assert list(ahead(iter(range(7)))) == list(range(7))
    assert list(ahead(iter([]))) == []


def test_the_next_item_is_made_while_the_one_before_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.kernels.threads.available", lambda: 2)
    started = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        started.set()
        yield 2

    for item in ahead(items()):
        assert item == 2 or started.wait(10)  # without another thread it would never be set
    assert started.is_set()


def test_an_error_while_making_an_item_comes_after_the_items_before_it(cores: int) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    given = ahead(items())
    assert next(given) == 1
    with pytest.raises(ValueError, match="broken"):
        next(given)


def test_who_stops_early_closes_what_makes_the_items(cores: int) -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(True)

    before = set(threading.enumerate())
    given = ahead(items())
    assert next(given) == 0
    given.close()
    assert closed == [True]
    assert set(threading.enumerate()) <= before
