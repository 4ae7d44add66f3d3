"""How long events are kept, by kind: in the store, in training and in exports; counted."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

import penchant as pc
from penchant.errors import ParameterError
from penchant.serve.common.settings import Settings, load
from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.exporting import export_log
from penchant.store.keep import CUTS, KEEP, Keep, is_past, past
from penchant.store.log import store_log
from penchant.store.losses import Losses
from penchant.store.retention import AT_ONCE, Retention

DAY = 86_400
PLANTED = (  # item, kind, age in days
    ("a", "view", 80), ("b", "view", 100), ("c", " View ", 100), ("d", "purchase", 100), ("e", "purchase", 800),
    ("f", None, 100), ("g", "watch time", 20), ("h", "time", 20), ("i", "watch time", 5),
)  # fmt: skip
SETTING = "view=90d,purchase=2y,watch time=10d,1y"
OVER = {"b", "c", "e", "g"}


def plant(store: EventStore, person: str = "u:ann") -> None:
    now = int(time.time())
    rows = [NewEvent(person, item, kind, None, now - days * DAY, None, None) for item, kind, days in PLANTED]
    asyncio.run(store.writer.append(Batch(rows), len(rows)))


def url(store: EventStore) -> str:
    return store.database.url.render_as_string(hide_password=False)


def test_what_a_setting_says() -> None:
    keep = Keep.read(SETTING)
    assert keep == Keep(31_557_600, (("purchase", 2 * 31_557_600), ("view", 90 * DAY), ("watch time", 10 * DAY)))
    assert Keep.read(str(keep)) == keep
    assert (keep.of("VIEW "), keep.of("other"), keep.of(None)) == (90 * DAY, 31_557_600, 31_557_600)
    assert (keep.until("view", 10), Keep.read("view=0").until("view", 10)) == (10 + 90 * DAY, None)
    assert (keep.longest, Keep.read("view=0,2y").longest, Keep.read("0").longest) == (2 * 31_557_600, None, None)
    assert Keep.read("view=90d").rest == Keep.read("2y").rest  # kinds that are not named: as by default
    assert Keep.read("*=1y") == Keep.read("1y")
    assert Keep.read("view=1min").of("view") == 60
    for wrong, why in (
        ("view=59s", "at least a minute"), ("59s", "at least a minute"), ("view=soon", "reads like 30min"),
        ("view=1d,View=2d", "says twice how long view"), ("1d,2d", "says twice how long other kinds"),
        ("o'brien=1d", "is not a kind"), ("a%s=1d", "is not a kind"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=why):
            Settings(keep=wrong)


def test_a_table_in_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "penchant.toml"
    file.write_text('keep = {view = "90d", purchase = "2y", "*" = "1y"}\n')
    assert load({}, file=str(file), environment={}).kept == Keep.read("view=90d,purchase=2y,1y")
    assert load({}, file=str(file), environment={"PENCHANT_KEEP": "view=1d"}).kept.of("view") == DAY
    for wrong in ("keep = {view = 90}\n", 'keep = {"a=b" = "1d"}\n', 'keep = {view = "soon"}\n'):
        file.write_text(wrong)
        with pytest.raises(ParameterError, match="keep"):
            load({}, file=str(file), environment={})


def test_what_is_over_is_dropped_and_counted_by_kind(store: EventStore) -> None:
    plant(store)
    retention = Retention(store, keep=Keep.read(SETTING), per_user=5000)
    assert asyncio.run(retention.run(retention.find())) == (4, 0)
    assert dict(retention.dropped) == {"purchase": 1, "view": 2, "watch time": 1}
    assert {one.item for one in store.history("u:ann", 2**62)} == {item for item, _, _ in PLANTED} - OVER
    assert store.clock().dropped_old == 4
    with store.database.connect() as connection:
        assert Losses(store.database).of(connection, "u:ann")  # models learned another history
    assert asyncio.run(retention.run(retention.find())) == (0, 0)
    assert not retention.dropped


def test_more_than_one_reading_of_old_events(store: EventStore) -> None:
    then = int(time.time()) - 100 * DAY
    rows = [NewEvent(f"u:{n % 7}", "x", "view", None, then + n // 900, None, None) for n in range(AT_ONCE + 300)]
    asyncio.run(store.writer.append(Batch(rows), len(rows)))
    plant(store)
    retention = Retention(store, keep=Keep.read("view=90d"), per_user=5000, confirmed=True)
    assert asyncio.run(retention.run(retention.find()))[0] == AT_ONCE + 303
    assert store.count() == len(PLANTED) - 3


def test_training_and_exports_leave_out_what_is_over(store: EventStore, tmp_path: Path) -> None:
    plant(store)
    whole = pc.read_interactions(store_log(url(store)))
    assert len(whole) == len(PLANTED)  # the store does not say yet
    store.writer.do_now(lambda connection: store.keep_setting(connection, KEEP, SETTING))
    log = pc.read_interactions(store_log(url(store)))
    assert {log.vocab.ids[item] for item in log.items.tolist()} == {item for item, _, _ in PLANTED} - OVER
    assert "4 events of the store left out: their time is over (keep)" in log.report.notes
    assert log.report.store is not None
    cuts = log.report.store[CUTS]
    told = {item for item, kind, days in PLANTED if is_past(cuts, kind, int(time.time()) - days * DAY)}
    assert told == OVER  # as a model that forgets somebody asks
    assert export_log(url(store), tmp_path / "log.csv") == len(PLANTED) - len(OVER)


def test_nothing_is_over_without_an_end() -> None:
    assert past(Keep.read("0").cutoffs(1_790_000_000)) == ""
    assert past(()) == ""
    assert not is_past((), "view", 0)


def test_an_event_that_is_over_already_is_refused(store: EventStore, tmp_path: Path) -> None:
    from penchant.data.reading.raw import read_raw
    from penchant.store.importing import import_log

    now = int(time.time())
    file = tmp_path / "log.csv"
    file.write_text("user,item,kind,time\n" + "".join(
        f"bob,{item},{(kind or '').strip()},{now - days * DAY}\n" for item, kind, days in PLANTED
    ))  # fmt: skip
    told: list[str] = []
    done = import_log(store, read_raw([file]), keep=Keep.read(SETTING), told=told.append)
    assert (done.imported, done.left_out) == (5, {"older than events are kept": 4})
