"""The ledger: appended, chained, signed, held by every release; the budget of a population."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penchant.errors import DataError, FormatError, ParameterError
from penchant.privacy.accounting import Cost, Promise, epsilon_of
from penchant.privacy.ledger import Entry, Ledger, ledger_of
from penchant.privacy.ledger_key import LedgerKey
from tests.privacy.logs import log

PROMISE, COST = Promise(2.0, 1e-6, 20_000, "shop"), Cost(2.3, 1e-7)


@pytest.fixture(scope="module")
def people():
    return log(people=120)


def added(ledger: Ledger, people, *, budget: float | None = None, promise: Promise = PROMISE) -> Entry:
    return ledger.add(promise, COST, model="popular", mechanism="a mechanism", log=people, budget=budget)


@pytest.fixture
def three(tmp_path: Path, people) -> tuple[Ledger, list[Entry], str]:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    entries = [added(ledger, people) for _ in range(3)]
    return ledger, entries, LedgerKey.open(ledger.key_file, make=False).public


def test_entries_are_numbered_chained_and_summed(three):
    ledger, entries, public = three
    read = ledger.entries(public)
    assert [one.held() for one in read] == [one.held() for one in entries]
    assert [one.stated["before"] for one in read[1:]] == [one.hash for one in read[:-1]]
    assert read[2].stated["total"]["epsilon"] == pytest.approx(epsilon_of([COST] * 3, 0.99 / 20_000))
    assert read[0].stated["data"] == read[1].stated["data"]
    ledger.check_holds(read, entries[1].held())
    assert ledger.key_file.stat().st_mode & 0o077 == 0


def changed(text: str) -> dict[str, str]:
    lines = text.splitlines(keepends=True)
    return {
        "it has changed": lines[0].replace('"popular"', '"popular", "x": 1') + "".join(lines[1:]),
        "was not signed": lines[0].replace('"epsilon": 2.0', '"epsilon": 1.0', 1) + "".join(lines[1:]),
        "removed, added or moved": "".join(lines[1:]),
        "the end was cut off": "".join(lines[:-1]),
    }


@pytest.mark.parametrize("said", ["it has changed", "was not signed", "removed, added or moved", "the end was cut off"])
def test_a_tampered_ledger_is_recognised_and_nothing_is_added(three, people, said):
    ledger, _, public = three
    text = changed(ledger.file.read_text())[said]
    ledger.file.write_text(text)
    with pytest.raises(FormatError, match=said):
        ledger.entries(public)
    with pytest.raises(FormatError, match=said):
        added(ledger, people)
    assert ledger.file.read_text() == text


def test_an_end_that_is_cut_off_with_its_head_is_noticed_by_a_release(three):
    ledger, entries, public = three
    ledger.file.write_text("".join(ledger.file.read_text().splitlines(keepends=True)[:2]))
    key = LedgerKey.open(ledger.key_file, make=False)
    head = {"entries": 2, "hash": entries[1].hash, "signature": key.sign(f"head 2 {entries[1].hash}".encode())}
    ledger.head_file.write_text(json.dumps(head))
    with pytest.raises(FormatError, match="does not hold the entry 3 of this release"):
        ledger.check_holds(ledger.entries(public), entries[2].held())


def test_a_missing_or_forged_head_is_noticed(three):
    ledger, _, public = three
    head = json.loads(ledger.head_file.read_text())
    ledger.head_file.write_text(json.dumps(head | {"entries": 1}))
    with pytest.raises(FormatError, match="was not signed"):
        ledger.entries(public)
    ledger.head_file.write_text("{}")
    with pytest.raises(FormatError, match="is damaged"):
        ledger.entries(public)
    ledger.head_file.unlink()
    with pytest.raises(FormatError, match="is missing"):
        ledger.entries(public)


def test_a_line_that_was_interrupted_is_replaced_by_the_next(three, people):
    ledger, _, public = three
    with ledger.file.open("a") as out:
        out.write('{"entry": {"numb')
    assert len(ledger.entries(public)) == 3
    assert added(ledger, people).stated["number"] == 4
    assert len(ledger.entries(public)) == 4


def test_a_missing_wrong_or_open_key_releases_nothing(three, people, tmp_path):
    ledger, _, _ = three
    before = ledger.file.read_text()
    secret = ledger.key_file.read_text()
    ledger.key_file.chmod(0o644)
    with pytest.raises(ParameterError, match="can be read by others"):
        added(ledger, people)
    ledger.key_file.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        added(ledger, people)
    for wrong, error in (("hello", DataError), ("0" * 64, FormatError)):
        ledger.key_file.write_text(wrong)
        ledger.key_file.chmod(0o600)
        with pytest.raises(error):
            added(ledger, people)
    assert ledger.file.read_text() == before
    ledger.key_file.write_text(secret)
    assert added(ledger, people).stated["number"] == 4


def test_a_budget_belongs_to_the_population(tmp_path, people):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    added(ledger, people, budget=2.5)
    added(ledger, people)
    before = ledger.file.read_text()
    with pytest.raises(ParameterError, match=r"the budget of 'shop' is epsilon 2.5, .* Nothing was released"):
        added(ledger, people)
    with pytest.raises(ParameterError, match="it belongs to the population"):
        added(ledger, people, budget=100.0)
    with pytest.raises(ParameterError, match="are 20,000 people, not 30,000"):
        added(ledger, people, promise=Promise(2.0, 1e-6, 30_000, "shop"))
    assert ledger.file.read_text() == before
    other = Promise(2.0, 1e-6, 20_000, "guests")
    with pytest.raises(ParameterError, match="--budget must be above 0"):
        added(ledger, people, promise=other, budget=0.0)
    assert added(ledger, people, promise=other).stated["budget"] is None


def test_a_recommender_without_a_promise_has_no_entry():
    with pytest.raises(DataError, match="was not fitted with --private"):
        ledger_of({"events": 3})
