"""Preparation that is stopped: the same command goes on, and nothing half-written is taken for whole."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from penchant import read_interactions
from penchant.core import outputs
from penchant.core.memory import MIB, limited
from penchant.data.prepared import passing, sorting
from penchant.data.prepared import prepare as module
from penchant.data.prepared.prepare import prepare
from penchant.data.prepared.working import Working
from penchant.data.reading import lines
from penchant.errors import DataError, MemoryLimitError, ParameterError
from tests.data.prepared.logs import assert_same, shop


class Stop(BaseException):
    """What a kill is to the code: nothing after it happens."""


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", 1 << 12)
    monkeypatch.setattr(passing, "ROWS", 100)
    monkeypatch.setattr(sorting, "_events", lambda: 150)


@pytest.fixture
def stopping(monkeypatch):
    """``stopping(n)``: stop at the n-th time that a file is published, a state is saved or a folder is moved."""

    def arm(number):
        count = 0

        def counted(call):
            def run(*args, **kwargs):
                nonlocal count
                count += 1
                if count == number:
                    raise Stop
                return call(*args, **kwargs)

            return run

        monkeypatch.setattr(outputs, "publish", counted(publish))
        monkeypatch.setattr(Working, "save", counted(save))
        monkeypatch.setattr(module, "_link", counted(link))
        monkeypatch.setattr(module, "_put", counted(put))
        return lambda: count

    publish, save, link, put = outputs.publish, Working.save, module._link, module._put
    return arm


def test_stopped_anywhere_the_same_call_goes_on_to_the_same_log(tmp_path, small, stopping):
    for name in ("a", "b"):
        shop(180, ord(name)).write_csv(tmp_path / f"{name}.csv")
    sources = [tmp_path / "a.csv", tmp_path / "b.csv"]
    options = {"rejected": tmp_path / "bad.csv", "kinds": "view=0,buy=2", "values": "weight"}
    wanted = read_interactions(*sources, **{**options, "rejected": tmp_path / "wanted.csv"})
    counted = stopping(0)
    assert_same(prepare(sources, tmp_path / "whole", **options), wanted)
    steps = counted()
    assert steps > 25
    (tmp_path / "bad.csv").unlink()
    for number in range(1, steps + 1, 2):
        target = tmp_path / f"log{number}"
        stopping(number)
        with pytest.raises(Stop):
            prepare(sources, target, **options)
        assert not target.exists()
        stopping(0)
        assert_same(prepare(sources, target, **options, force=(tmp_path / "bad.csv").exists()), wanted)
        assert (tmp_path / "bad.csv").read_text() == (tmp_path / "wanted.csv").read_text()
        (tmp_path / "bad.csv").unlink()
        assert not list(tmp_path.glob(".*"))


def test_it_goes_on_from_where_it_stopped(tmp_path, small, stopping, monkeypatch):
    shop(600).write_csv(tmp_path / "a.csv")
    stopping(30)
    with pytest.raises(Stop):
        prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    stopping(0)
    state = json.loads((tmp_path / ".log.preparing/state.json").read_text())
    before, written = state["reading"]["parts"], []
    assert before > 2
    real = passing._frame
    monkeypatch.setattr(passing, "_frame", lambda cleaned: written.append(1) or real(cleaned))
    prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    written_in_all = before + len(written)
    written.clear()
    prepare(tmp_path / "a.csv", tmp_path / "other", rejected=False)
    assert len(written) == written_in_all


@pytest.mark.slow
def test_killed_by_the_system_it_goes_on(tmp_path):
    rng = np.random.default_rng(0)
    rows = 3_000_000
    pl.DataFrame({"user": rng.integers(0, 200_000, rows), "item": rng.integers(0, 5000, rows)}).write_csv(
        tmp_path / "a.csv"
    )
    code = (
        "from penchant.data.prepared import passing, sorting\n"
        "passing.ROWS = 200_000; sorting._events = lambda: 200_000\n"
        "from penchant.cli.main import run; run()"
    )
    command = [sys.executable, "-c", code, "prepare", str(tmp_path / "a.csv"), "-o", str(tmp_path / "log")]
    rng, kills = np.random.default_rng(1), 0
    while not (tmp_path / "log").exists():
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            try:
                said = running.communicate(timeout=1.0 + 1.5 * rng.random() + 0.5 * kills)
                assert running.returncode == 0, said
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                running.communicate()
                kills += 1
    assert kills
    assert_same(read_interactions(tmp_path / "log"), read_interactions(tmp_path / "a.csv", rejected=False))


def test_another_file_or_option_does_not_go_on(tmp_path, small, stopping):
    for name in ("a", "b"):
        shop(300).write_csv(tmp_path / f"{name}.csv")
    stopping(20)
    with pytest.raises(Stop):
        prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    stopping(0)
    for source, options in (("b.csv", {}), ("a.csv", {"values": "none"})):
        with pytest.raises(ParameterError, match="other files or with other options: start again with --force"):
            prepare(tmp_path / source, tmp_path / "log", rejected=False, **options)
    log = prepare(tmp_path / "b.csv", tmp_path / "log", rejected=False, force=True)
    assert_same(log, read_interactions(tmp_path / "b.csv", rejected=False))


def test_a_file_that_changes_between_the_commands_is_refused(tmp_path, small, stopping):
    shop(600).write_csv(tmp_path / "a.csv")
    stopping(20)
    with pytest.raises(Stop):
        prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    stopping(0)
    size = (tmp_path / "a.csv").stat().st_size
    with (tmp_path / "a.csv").open("a") as file:
        file.write("u1,s1,i1,buy,1,1500000000,1\n")
    with pytest.raises(DataError, match=rf"a\.csv: the file changed while it was read: it had {size:,} bytes and has"):
        prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_that_changes_during_the_command_is_refused(tmp_path, small, monkeypatch, ending):
    file = tmp_path / f"a.{ending}"
    getattr(shop(900), f"write_{ending}")(file)
    before = file.stat()

    def touch(what, share):
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))

    with pytest.raises(DataError, match="the file changed while it was read"):
        prepare(file, tmp_path / "log", rejected=False, progress=touch)
    assert not (tmp_path / "log").exists()


def test_two_commands_do_not_write_one_folder(tmp_path):
    shop(50).write_csv(tmp_path / "a.csv")
    with Working(tmp_path / "log").locked(), pytest.raises(ParameterError, match="by another command"):
        prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)


def test_a_disk_without_room_is_named_with_the_numbers_before_it_is_full(tmp_path, small, monkeypatch):
    shop(2000).write_csv(tmp_path / "a.csv")
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=20_000))
    with pytest.raises(
        OSError, match=r"preparing about [\d,]+ rows needs about [\d.,]+ MiB of disk, and 0 MiB are free"
    ) as error:
        prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    rows = int(re.search(r"about ([\d,]+) rows", str(error.value))[1].replace(",", ""))
    assert 1000 < rows < 4000
    monkeypatch.undo()
    assert_same(
        prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False),
        read_interactions(tmp_path / "a.csv", rejected=False),
    )


def test_a_disk_that_fills_up_stops_it_and_it_goes_on(tmp_path):
    pl.DataFrame({"user": range(200_000), "item": range(200_000)}).write_csv(tmp_path / "a.csv")
    command = [
        "-c",
        "from penchant.cli.main import run; run()",
        "prepare",
        str(tmp_path / "a.csv"),
        "-o",
        str(tmp_path / "log"),
    ]

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, preexec_fn=limit, check=False)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert "too large" in done.stderr
    assert not (tmp_path / "log").exists()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert len(read_interactions(tmp_path / "log")) == 200_000


def test_ids_that_do_not_fit_into_the_memory_are_refused_with_the_numbers(tmp_path, monkeypatch):
    pl.DataFrame({"user": range(50_000), "item": [1] * 50_000}).write_parquet(tmp_path / "a.parquet")
    monkeypatch.setattr("penchant.core.memory._used", lambda _: 0)
    monkeypatch.setattr(passing, "LEAST", 0)
    with limited("1MiB"), pytest.raises(MemoryLimitError, match="the ids of this log needs more than the 1 MiB"):
        prepare(tmp_path / "a.parquet", tmp_path / "log")


def test_no_more_than_a_fixed_memory_whatever_the_rows(tmp_path):
    """Three times the rows take a fixed number of MiB, not three times the memory."""
    rng, used = np.random.default_rng(0), []
    code = (
        "import sys, atexit; from penchant.data.prepared import passing, sorting\n"
        "passing.ROWS = 1 << 18; sorting._events = lambda: 1 << 18\n"
        "most = lambda: next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "atexit.register(lambda: print('PEAK', most(), file=sys.stderr))\n"
        "from penchant.cli.main import run; run()"
    )
    for millions in (1, 4):
        rows = millions * 1_000_000
        file = tmp_path / f"{millions}.parquet"
        columns = {
            "user": rng.integers(0, 10_000, rows),
            "item": rng.integers(0, 1000, rows),
            "time": rng.integers(1, 10**9, rows),
        }
        pl.DataFrame(columns).write_parquet(file, row_group_size=100_000)
        command = [sys.executable, "-c", code, "prepare", str(file), "-o", str(tmp_path / f"log{millions}")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        used.append(int(done.stderr.partition("PEAK ")[2]) / 1024)
    assert used[1] - used[0] < 80  # in memory the events alone are 48 MiB more, and sorting doubles them


def test_less_memory_makes_smaller_parts_and_too_little_is_refused(tmp_path, monkeypatch):
    rows = 300_000
    pl.DataFrame({"user": range(rows), "item": [1] * rows}).write_csv(tmp_path / "a.csv")
    monkeypatch.setattr("penchant.core.memory._used", lambda _: 0)
    with pytest.raises(MemoryLimitError, match=r"preparing a log needs 256 MiB, 100 MiB are free .* then goes on"):
        prepare(tmp_path / "a.csv", tmp_path / "log", memory="100MiB")
    monkeypatch.setattr(passing, "LEAST", 0)
    written = []
    real = passing._frame
    monkeypatch.setattr(passing, "_frame", lambda cleaned: written.append(1) or real(cleaned))
    monkeypatch.setattr(lines, "BLOCK", 1 << 18)
    assert len(prepare(tmp_path / "a.csv", tmp_path / "log", memory="64MiB", force=True)) == rows
    assert len(written) in {2, 3}
    written.clear()
    assert len(prepare(tmp_path / "a.csv", tmp_path / "log", memory="1GiB", force=True)) == rows
    assert len(written) == 1


def test_running_out_of_memory_is_an_error_with_the_numbers(tmp_path, monkeypatch):
    shop(200).write_csv(tmp_path / "a.csv")

    def fail(*_):
        raise MemoryError("Unable to allocate 9.00 GiB")

    monkeypatch.setattr(passing, "_frame", fail)
    with pytest.raises(
        MemoryLimitError, match=r"ran out of memory \(Unable to allocate 9.00 GiB\), and [\d,]+ MiB are left"
    ):
        prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False)
    monkeypatch.undo()
    assert len(prepare(tmp_path / "a.csv", tmp_path / "log", rejected=False))


def test_little_address_space_is_named_with_the_numbers(tmp_path):
    """Under ``ulimit -v`` the command works or says what it lacks; the system aborts nothing."""
    rng, rows = np.random.default_rng(0), 2_000_000
    pl.DataFrame({"user": rng.integers(0, 10**6, rows), "item": rng.integers(0, 1000, rows)}).write_parquet(
        tmp_path / "a.parquet"
    )
    code = "from penchant.cli.main import run; run()"
    for mib in (700, 1200, 1800, 6000):

        def limit(most=mib * MIB):
            resource.setrlimit(resource.RLIMIT_AS, (most, most))

        command = [
            sys.executable,
            "-c",
            code,
            "prepare",
            str(tmp_path / "a.parquet"),
            "-o",
            str(tmp_path / f"log{mib}"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)
        assert done.returncode in {0, 1}, (mib, done)
        assert "Traceback" not in done.stderr, (mib, done)
        assert (tmp_path / f"log{mib}").exists() == (done.returncode == 0)
        if done.returncode:
            assert re.search(r"needs [\d,]+ MiB|ran out of memory|needs more (than the|address space)", done.stderr), (
                mib,
                done,
            )
    assert (tmp_path / "log6000").exists()
