"""Answers and explanations as a terminal shows them, colours included; ``printed.txt`` holds what was looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import penchant as pc
from penchant.recommender.answer import Part

WHY = pc.Why("exact", 0.25, [Part("a", "Alien [red]", 1.5), Part("b", None, 0.5), Part("c", "Cube", -0.75)])
LEFT_OUT = pc.Why("leave-one-out", 0.0, [Part("a", "Alien [red]", 0.5)])
NOTHING = pc.Why("exact", 0.0, [])
ANSWER = pc.Answer(
    [
        pc.Item("d", "Dune :smile:", 1.5, WHY),
        pc.Item(7, None, 0.123456, LEFT_OUT),
        pc.Item("e", "x" * 90, -2.0, NOTHING),
    ],
    True,
    [f"id {n}" for n in range(12)],
)
LONG = pc.Why("exact", 0.0, [Part("a", "y" * 70, 1.0)])
SHOWN: dict[str, Callable[[], Any]] = {
    "an answer": lambda: ANSWER,
    "with a title": lambda: ANSWER.table("Like Dune"),
    "without reasons": lambda: pc.Answer([pc.Item("d", "Dune", 1.0)]),
    "a long reason": lambda: pc.Answer([pc.Item("d", "Dune", 1.0, LONG)]),
    "empty": lambda: pc.Answer([]),
    "an item": lambda: pc.Item("d", "Dune :smile:", 1.5, WHY).table("a note"),
    "an item, leave-one-out": lambda: pc.Item(7, None, 0.5, LEFT_OUT),
    "an item with a long reason": lambda: pc.Item("e", None, 0.5, LONG),
    "an item without a reason": lambda: pc.Item("e", None, 0.5, NOTHING),
    "an item, not explained": lambda: pc.Item("e", None, 0.5).table("a note", "another"),
}
ESCAPE = "\N{SYMBOL FOR ESCAPE}"  # in place of the escape character
PRINTED = Path(__file__).with_name("printed.txt")


def painted(shown: Any) -> str:
    """What a terminal of 72 columns gets."""
    console = Console(width=72, force_terminal=True, color_system="standard", legacy_windows=False)
    with console.capture() as caught:
        console.print(shown)
    return caught.get().replace("\x1b", ESCAPE)


def printed() -> dict[str, str]:
    sections = PRINTED.read_text(encoding="utf-8").split("=== ")[1:]
    return {section.partition("\n")[0]: section.partition("\n")[2] for section in sections}


@pytest.mark.parametrize("name", SHOWN)
def test_a_terminal_shows(name: str) -> None:
    assert painted(SHOWN[name]()) == printed()[name]


def test_text_has_no_colours_and_no_markup() -> None:
    assert str(ANSWER) + "\n" == printed()["as text"] and repr(ANSWER) == str(ANSWER)
    assert str(pc.Item("d", "Dune", 1.5, WHY)) + "\n" == printed()["an item as text"]
