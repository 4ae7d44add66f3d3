"""The ledger of private releases: lines of JSON that are only appended, each chained to the one before and signed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penchant.core.outputs import replacing_file
from penchant.errors import DataError, FormatError, ParameterError
from penchant.privacy.accounting import Cost, Promise, epsilon_of
from penchant.privacy.ledger_key import LedgerKey, is_signed

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions

START = "0" * 64  # what the first line is chained to
TOTAL_DELTA = 0.99  # of 1 / population, at which the total is stated
KEYS = frozenset(
    {
        "number", "when", "population", "people", "budget", "data", "model", "mechanism", "epsilon", "delta", "cost",
        "total", "before",
    }
)  # fmt: skip
KEY, HEAD = ".key", ".head"  # after the name of the ledger


@dataclass(frozen=True)
class Entry:
    """One release, as its line states it."""

    stated: Mapping[str, Any]
    hash: str
    signature: str

    @property
    def cost(self) -> Cost:
        """What it took."""
        return Cost.from_json(self.stated["cost"])

    def held(self) -> dict[str, Any]:
        """What a release keeps of its entry, by which a ledger with a cut end is recognised."""
        return {"entry": self.stated["number"], "hash": self.hash, "signature": self.signature}


class Ledger:
    """A file of releases, with its key and its signed head beside it."""

    def __init__(self, file: Path, key: Path | None = None) -> None:
        self.file = file
        self.key_file = key or file.with_name(file.name + KEY)
        self.head_file = file.with_name(file.name + HEAD)

    # -- reading --------------------------------------------------------------------------------------------------

    def entries(self, public: str) -> list[Entry]:
        """Every entry, checked: numbered, chained, signed, and as many as the head says.

        Raises ``FormatError`` for a line that was changed, removed, moved or cut off.
        """
        out: list[Entry] = []
        before = START
        text = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
        lines = text.splitlines()
        if text and not text.endswith("\n"):
            lines = lines[:-1]  # a release that was interrupted while it was written was never saved
        for number, line in enumerate(lines, 1):
            entry = self._entry(line, number)
            if entry.stated["number"] != number or entry.stated["before"] != before:
                raise FormatError(f"{self.file}, line {number}: a line before it was removed, added or moved")
            if not is_signed(public, entry.hash.encode(), entry.signature):
                raise FormatError(f"{self.file}, line {number}: it was not signed with the key of this ledger")
            before = entry.hash
            out.append(entry)
        self._check_head(out, public)
        return out

    def _entry(self, line: str, number: int) -> Entry:
        wrong = FormatError(f"{self.file}, line {number}: it has changed since it was written")
        try:
            found = json.loads(line)
            stated, signature = found["entry"], found["signature"]
        except (ValueError, KeyError, TypeError):
            raise wrong from None
        if set(found) != {"entry", "signature"} or not isinstance(stated, dict) or set(stated) != KEYS:
            raise wrong
        return Entry(stated, _hash(stated), str(signature))

    def _check_head(self, entries: Sequence[Entry], public: str) -> None:
        if not self.head_file.exists():
            if entries:
                raise FormatError(f"{self.head_file} is missing: without it, a cut end would not be noticed")
            return
        try:
            head = json.loads(self.head_file.read_text(encoding="utf-8"))
            number, of, signature = int(head["entries"]), str(head["hash"]), str(head["signature"])
        except (ValueError, KeyError, TypeError):
            raise FormatError(f"{self.head_file} is damaged") from None
        if not is_signed(public, _head(number, of), signature):
            raise FormatError(f"{self.head_file} was not signed with the key of this ledger")
        if len(entries) < number or (number and entries[number - 1].hash != of):
            raise FormatError(
                f"{self.file} has {len(entries)} releases, its head says {number}: the end was cut off or exchanged"
            )

    def check_holds(self, entries: Sequence[Entry], held: Mapping[str, Any]) -> None:
        """Raises ``FormatError`` where a release states an entry that the ledger does not hold."""
        number = held.get("entry")
        if not isinstance(number, int) or not 1 <= number <= len(entries) or entries[number - 1].held() != held:
            raise FormatError(f"{self.file} does not hold the entry {number} of this release: its end was cut off")

    # -- writing --------------------------------------------------------------------------------------------------

    def add(
        self, promise: Promise, cost: Cost, *, model: str, mechanism: str, log: Interactions, budget: float | None
    ) -> Entry:
        """Append a release before it is saved.

        Raises ``ParameterError`` where the population's budget does not allow it, or was stated differently before.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = not self.file.exists() or not self.file.stat().st_size
        key = LedgerKey.open(self.key_file, make=fresh and not self.head_file.exists())
        with self._locked():
            entries = self.entries(key.public)
            earlier = [entry for entry in entries if entry.stated["population"] == promise.name]
            budget = _budget(earlier, promise, budget)
            total = epsilon_of([*(entry.cost for entry in earlier), cost], TOTAL_DELTA / promise.population)
            if budget is not None and total > budget:
                spent = epsilon_of([entry.cost for entry in earlier], TOTAL_DELTA / promise.population)
                raise ParameterError(
                    f"the budget of {promise.name!r} is epsilon {budget:g}, {spent:.3g} of it is spent: with this "
                    f"release it would be {total:.3g}. Nothing was released"
                )
            stated = {
                "number": len(entries) + 1, "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "population": promise.name, "people": promise.population, "budget": budget,
                "data": key.fingerprint(_bytes_of(log)), "model": model, "mechanism": mechanism,
                "epsilon": promise.epsilon, "delta": promise.delta, "cost": cost.to_json(),
                "total": {"epsilon": total, "delta": TOTAL_DELTA / promise.population},
                "before": entries[-1].hash if entries else START,
            }  # fmt: skip
            entry = Entry(stated, _hash(stated), key.sign(_hash(stated).encode()))
            self._append(entry, key)
        return entry

    def _append(self, entry: Entry, key: LedgerKey) -> None:
        line = json.dumps({"entry": entry.stated, "signature": entry.signature}, ensure_ascii=False, allow_nan=False)
        with self.file.open("r+b") as out:
            content = out.read()
            out.seek(content.rfind(b"\n") + 1)  # after the last whole line
            out.truncate()
            out.write(line.encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())
        number = entry.stated["number"]
        head = {"entries": number, "hash": entry.hash, "signature": key.sign(_head(number, entry.hash))}
        with replacing_file(self.head_file) as fresh:
            fresh.write_text(json.dumps(head) + "\n", encoding="utf-8")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One release at a time: the next one sees what this one spent."""
        with self.file.open("ab") as held:
            if os.name == "posix":
                import fcntl

                fcntl.flock(held, fcntl.LOCK_EX)
            yield


def _budget(earlier: Sequence[Entry], promise: Promise, given: float | None) -> float | None:
    """The budget of the population: stated once, and then the same."""
    if not earlier:
        if given is not None and given <= 0:
            raise ParameterError(f"--budget must be above 0, got {given:g}")
        return given
    known, people = earlier[-1].stated["budget"], earlier[-1].stated["people"]
    if people != promise.population:
        raise ParameterError(
            f"the ledger says that {promise.name!r} are {people:,} people, not {promise.population:,}: state the same"
        )
    if given is not None and known is not None and given != known:
        raise ParameterError(f"the budget of {promise.name!r} is epsilon {known:g}: it belongs to the population")
    return given if known is None else known


def _hash(stated: Mapping[str, Any]) -> str:
    text = json.dumps(stated, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _head(number: int, of: str) -> bytes:
    return f"head {number} {of}".encode()


def _bytes_of(log: Interactions) -> bytes:
    """A hash of who did what, whatever the order of the people."""
    events = log.histories()
    rows = sorted(
        hashlib.sha256(
            json.dumps([user, log.vocab.decode(events.row(row))], ensure_ascii=False).encode("utf-8", "surrogatepass")
        ).digest()
        for row, user in enumerate(log.user_ids)
    )
    return hashlib.sha256(b"".join(rows)).digest()


def ledger_of(release: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a private release keeps of its entry; raises ``DataError`` for a recommender that is not private."""
    private = release.get("private")
    held = private.get("ledger") if isinstance(private, dict) else None
    if not isinstance(held, dict):
        raise DataError("this recommender was not fitted with --private")
    return held
