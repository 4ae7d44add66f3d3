"""The one answer of library, files and HTTP."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import penchant as pc
from penchant.core.histories import Histories
from penchant.models.kinds.base import Explanation
from penchant.recommender.answer import NO_REASON, Part, bar, reasons


class Letters:
    """Item 0 is "a", and only even items have a title."""

    def item_id(self, index: int) -> str:
        return "abcdef"[index]

    def title(self, index: int) -> str | None:
        return None if index % 2 else f"Title {index}"


def test_items_get_their_ids_titles_and_reasons() -> None:
    whys = [pc.Why("exact", 0.5, []), pc.Why("exact", 0.0, [])]
    one, two = pc.Item.listed([2, 1], np.array([0.5, 0.25], np.float32), Letters(), whys)
    assert one == pc.Item("c", "Title 2", 0.5, whys[0]) and two == pc.Item("b", None, 0.25, whys[1])
    assert (one.label, two.label) == ("Title 2", "b")
    assert pc.Item.listed([1], [1], Letters()) == [pc.Item("b", None, 1.0)]


def test_reasons_begin_with_the_largest_contribution_and_leave_out_zeros() -> None:
    given = Histories.from_lists([[0, 1, 2, 3]], 6)
    parts = np.array([-1.0, 0.0, 3.0, 2.0], np.float32)
    why = pc.Why.of(Explanation("exact", 4.5, 0.5, parts), given, Letters())
    assert why.parts == [Part("c", "Title 2", 3.0), Part("d", None, 2.0), Part("a", "Title 0", -1.0)]
    assert why.to_json() == {
        "method": "exact",
        "base": 0.5,
        "parts": [
            {"item": "c", "title": "Title 2", "contribution": 3.0},
            {"item": "d", "title": None, "contribution": 2.0},
            {"item": "a", "title": "Title 0", "contribution": -1.0},
        ],
    }
    assert reasons(why) == "Title 2 60%, d 40%"
    assert reasons(replace(why, parts=why.parts[2:])) == NO_REASON
    assert reasons(None) == ""


def test_json_has_the_fields_of_the_service_only_where_it_set_them() -> None:
    plain = pc.Answer([pc.Item(7, None, 1.5)], True, ["x"], "popular", "abc", "ann")
    document = {
        "user": "ann",
        "items": [{"item": "7", "title": None, "score": 1.5}],
        "fallback": True,
        "unknown": ["x"],
        "model": {"name": "popular", "version": "abc"},
    }
    assert plain.to_json() == document
    served = replace(plain, removed={}, next="token")
    assert served.to_json() == {**document, "removed": {}, "degraded": None, "next": "token"}
    segment = {"attribute": "country", "value": "NO", "people": 20}
    assert replace(plain, segment=segment).to_json() == {**document, "segment": segment}


def test_an_answer_is_a_sequence_and_a_table() -> None:
    answer = pc.Answer([pc.Item("a", "Alien", 2.0), pc.Item("b", None, 1.0)])
    assert len(answer) == 2 and answer[1].item == "b" and answer[:1] == answer.items[:1] and answer.ids == ["a", "b"]
    assert answer.to_list()[0] == {"rank": 1, "item": "a", "title": "Alien", "score": 2.0}
    assert answer.to_frame().rows() == [(1, "a", "Alien", 2.0), (2, "b", None, 1.0)]
    assert answer.to_pandas()["rank"].tolist() == [1, 2]


def test_a_bar_is_drawn_to_an_eighth() -> None:
    assert bar(0.5, 4) == "██" and bar(1, 2) == "██" and bar(2, 2) == "██" and bar(-1, 2) == "" and bar(0, 2) == ""
    assert bar(5 / 16, 2) == "▋" and bar(9 / 16, 2) == "█▏"
