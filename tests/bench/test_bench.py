"""The harness: what it refuses, measures, skips and writes; without peers and without the benchmark sets."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bench.blends import held_runs
from bench.contenders._cosine import compare
from bench.plan import Log
from bench.serve_load import Traffic, World
from bench.sets import SETS

from bench import (
    accuracy,
    child,
    choosing_report,
    duel,
    machine,
    report,
    serve_hostile,
    serve_report,
    serve_schemathesis,
)
from penchant.core.histories import Histories
from penchant.data.read import read_interactions


def test_a_busy_machine_is_refused_unless_forced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "busy", lambda: 0.5)
    with pytest.raises(machine.BusyError, match="50%"):
        machine.require_quiet(force=False)
    assert machine.require_quiet(force=True) == 0.5


def test_being_busy_is_what_others_use(monkeypatch: pytest.MonkeyPatch):
    readings = iter([[100, 0, 0, 900, 0, 0, 0, 0], [130, 0, 10, 940, 5, 0, 0, 15]])
    monkeypatch.setattr(machine, "_STAT", Path(__file__))
    monkeypatch.setattr(machine, "_ticks", lambda: next(readings))
    assert machine.busy(0.0) == pytest.approx(55 / 100)  # user, system and stolen of a hundred ticks


def test_the_machine_is_described_without_its_name():
    described = json.dumps(machine.describe())
    import platform

    assert machine.describe()["cores"] >= 1
    assert platform.node() not in described or not platform.node()


def test_a_child_reports_its_own_memory_and_what_it_prints_last():
    code = (
        "import json; from bench.machine import peak_mib; x = b'1' * (%d << 20); print('noise'); "
        "print(json.dumps({'seconds': 1.5, 'peak_mib': peak_mib()}))"
    )
    small, large = (child.run([sys.executable, "-c", code % size]) for size in (1, 200))
    assert small["seconds"] == large["seconds"] == 1.5
    assert 190 < large["peak_mib"] - small["peak_mib"] < 210


def test_a_child_that_fails_says_why():
    with pytest.raises(child.ChildError, match=r"ended with 3[\s\S]*no luck"):
        child.run([sys.executable, "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(3)"])


def test_a_comparison_takes_turns_and_medians(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []
    times = {"ours": iter([3.0, 1.0, 2.0]), "peer": iter([9.0, 6.0, 60.0])}

    def contender(python: Path, module: str, who: str, folder: Path, arrays: Path) -> dict[str, float]:
        order.append(who)
        np.savez(arrays, items=np.arange(3))
        return {"seconds": next(times[who]), "peak_mib": 10.0}

    def judge(mine: duel.Side, theirs: duel.Side) -> list[duel.Goal]:
        assert mine.arrays["items"].tolist() == [0, 1, 2]
        return [duel.Goal("faster", theirs["seconds"] / mine["seconds"], 5.0, at_least=True)]

    asked = duel.Question("a title", "a way", lambda folder: None, judge, peer="peer", rounds=3)
    monkeypatch.setattr(duel, "question", lambda name: asked)
    monkeypatch.setattr(duel, "WORK", tmp_path / "work")
    monkeypatch.setattr(duel, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(child, "contender", contender)
    monkeypatch.setattr(machine, "busy", lambda: 0.0)
    (goal,) = duel.run("a-name")
    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert (goal.value, goal.met) == (4.5, False)
    written = json.loads((tmp_path / "results" / "a-name.json").read_text())
    assert written["medians"]["ours"] == {"seconds": 2.0, "peak_mib": 10.0}
    assert written["seconds"]["peer"] == [9.0, 6.0, 60.0]
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(report, "DONE", tmp_path / "nothing")
    page = report.page()
    assert "| faster | 4.5 | at least 5 | missed |" in page
    assert "| peer | 9 | 10 |" in page


def test_the_rounds_before_an_interruption_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[str] = []

    def contender(python: Path, module: str, who: str, folder: Path, arrays: Path) -> dict[str, float]:
        calls.append(who)
        if len(calls) == 5:
            raise KeyboardInterrupt
        np.savez(arrays, items=np.arange(3))
        return {"seconds": float(len(calls)), "peak_mib": 10.0}

    asked = duel.Question("a title", "a way", lambda folder: None, lambda mine, theirs: [], peer="peer", rounds=3)
    monkeypatch.setattr(duel, "question", lambda name: asked)
    monkeypatch.setattr(duel, "WORK", tmp_path / "work")
    monkeypatch.setattr(duel, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(child, "contender", contender)
    monkeypatch.setattr(machine, "busy", lambda: 0.0)
    with pytest.raises(KeyboardInterrupt):
        duel.run("a-name")
    written = json.loads((tmp_path / "results" / "a-name.json").read_text())
    assert (written["rounds"], written["seconds"]) == (2, {"ours": [1.0, 4.0], "peer": [2.0, 3.0]})


def arrays(rows: list[dict[int, float]]) -> duel.Arrays:
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    items = np.array([item for row in rows for item in row])
    return {"a indptr": indptr, "a indices": items, "a data": np.array([v for row in rows for v in row.values()])}


def test_neighbourhoods_are_equal_up_to_ties_and_the_item_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bench.contenders._cosine.NEIGHBOURS", 2)
    mine = arrays([{1: 0.9, 2: 0.5}, {0: 0.9}])
    assert compare(mine, arrays([{0: 1.0, 1: 0.9, 3: 0.5}, {1: 1.0, 0: 0.9}]), "a") == (0.0, 0)  # a tie at the last one
    assert compare(mine, arrays([{1: 0.9, 2: 0.4}, {0: 0.9}]), "a")[0] == pytest.approx(0.1)
    assert compare(mine, arrays([{4: 0.9, 2: 0.5}, {0: 0.9}]), "a")[1] == 2
    assert compare(mine, arrays([{1: 0.9, 2: 0.5}, {}]), "a")[1] == 1


def test_the_queue_does_what_has_no_result_of_these_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(accuracy, "PARAMS", tmp_path / "params")
    monkeypatch.setattr(accuracy, "DONE", tmp_path / "done")
    (tmp_path / "params").mkdir()
    for name, model in (("ml-1m", "ease"), ("ml-1m-bars", "ease"), ("gowalla", "item-knn")):
        chosen = {"model": model, "params": {"reg": 1}}
        (tmp_path / "params" / f"{name}-{model}.json").write_text(json.dumps(chosen))
    ran: list[tuple[str, ...]] = []

    def run(command: list[str]) -> dict[str, object]:
        ran.append(tuple(command[-3:]))
        if command[-3] == "gowalla":
            raise child.ChildError("out of luck")
        return {"model": command[-2], "params": {"reg": 1}}

    monkeypatch.setattr(child, "run", run)
    assert accuracy.work(accuracy.queue(seeds=(0,))) == 1
    assert ran == [("gowalla", "item-knn", "0"), ("ml-1m-bars", "ease", "0"), ("ml-1m", "ease", "0")]
    ran.clear()
    assert accuracy.work(accuracy.queue(["ml-1m"])) == 0
    assert ran == []
    (tmp_path / "params" / "ml-1m-ease.json").write_text(json.dumps({"model": "ease", "params": {"reg": 2}}))
    accuracy.work(accuracy.queue(models=["ease"]))
    assert ran == [("ml-1m", "ease", "0")]


def test_a_model_with_two_parameter_files_has_two_rows():
    result = json.loads((accuracy.DONE / "retailrocket-session-knn-0.json").read_text())
    page = report._set("retailrocket", [result, {**result, "row": "sknn"}], [])
    assert "**session-knn** |" in page and "`retailrocket-session-knn.json`" in page
    assert "**sknn** (session-knn) |" in page and "`retailrocket-sknn.json`" in page


def test_the_logs_of_plans_are_known_by_their_names():
    logs = [
        Log(100_000),
        Log(100_000, plain=True),
        Log(100_000, dense=True),
        Log(9, True, True),
        Log(0, source="ml-1m"),
    ]
    assert [Log.named(log.name) for log in logs] == logs
    assert len({log.name for log in logs}) == len(logs)


def test_every_set_names_metrics_that_there_are():
    from penchant.evaluation.measure import parse_metric
    from penchant.evaluation.protocols import Protocol

    for name, bench_set in SETS.items():
        assert Protocol.parse(bench_set.split)
        for metric in bench_set.metrics:
            assert str(parse_metric(metric)) == metric, name


def test_codes_of_categories_are_attributes_not_numbers(monkeypatch: pytest.MonkeyPatch):
    rows = pl.DataFrame({"item": ["a", "b", "c"], "kind": [4, 11, None], "maker": ["x", None, "y"]})
    monkeypatch.setattr("bench.sets.table", lambda name, file="interactions": rows)
    events = pl.DataFrame({"user": ["u", "u", "u"], "item": ["a", "b", "c"]})
    catalog = replace(SETS["sts-travel"], attributes=("kind", "maker"))._catalog(read_interactions(events))
    assert catalog is not None
    assert sorted(catalog.features().names) == ["kind=no. 11", "kind=no. 4", "maker=x", "maker=y"]


def test_published_numbers_have_a_source_and_lie_in_their_range():
    published = json.loads(report.PUBLISHED.read_text())
    assert set(published["rows"]) <= set(SETS)
    for name, rows in published["rows"].items():
        for row in rows:
            assert row["source"] in published["sources"]
            numbers = {key: value for key, value in row.items() if key not in {"model", "source"}}
            assert set(numbers) <= set(SETS[name].metrics)
            assert numbers
            assert all(0 < value < 2 for value in numbers.values())


def test_the_page_is_that_of_the_results():
    assert report.PAGE.read_text() == report.page()


def test_held_out_runs_stand_together_in_every_history():
    rows = [list(range(length)) for length in (0, 1, 2, 3, 9, 10, 40)]
    held = held_runs(Histories.from_lists(rows, 50), seed=0)
    assert held.truth.lengths.tolist() == [1, 2, 2, 8]  # a fifth of three and more
    for case, row in enumerate(rows[3:]):
        run = held.truth.row(case).tolist()
        assert run == list(range(run[0], run[0] + len(run)))
        assert sorted([*run, *held.given.row(case)]) == row
    assert any(held.truth.row(case)[0] > 0 for case in range(4))


def test_the_page_on_choosing_is_that_of_the_results_and_names_what_is_not_worth_it(tmp_path, monkeypatch):
    assert choosing_report.PAGE.read_text() == choosing_report.page()
    monkeypatch.setattr(choosing_report, "DONE", tmp_path)
    for model, value in (("ease", 0.050), ("item-knn", 0.0495), ("popular", 0.01), ("sasrec", 0.051), ("blend", 0.052)):
        result = {
            "set": "amazon-beauty", "model": model, "params": {}, "split": {"cases": 1000}, "fit_seconds": 600.0,
            "score_seconds": 2.0, "peak_mib": 99.0,
            "metrics": {"ndcg@10": {"mean": value, "low": value - 0.002, "high": value + 0.002}},
        }  # fmt: skip
        (tmp_path / f"amazon-beauty-{model}-0.json").write_text(
            json.dumps(result | ({"fit_seconds": 1.0} if model == "item-knn" else {}))
        )
    page = choosing_report.page()
    assert (
        "| amazon-beauty | ndcg@10 | `item-knn` (1.0 s) | `ease` 0.0500 (10 min) | +4.0 % (10 min) | "
        "`sasrec` +2.0 % (10 min): not worth it |"
    ) in page
    assert "| `sasrec` *network* | 0.0510 | 10 min | 2.00 | 99 |" in page


def test_requests_that_fail_are_faults_and_are_reported():
    part = {"status": "success", "operations": 5, "requests": 90, "failures": [], "errors": [], "phase": "fuzzing"}
    good = {
        "what": "requests", "command": "c", "versions": {"schemathesis": "4"}, "phases": [part], "logged_failures": {},
        "alive": True,
    }  # fmt: skip
    assert serve_schemathesis.faults(good) == []
    assert "| fuzzing | 5 | 90 | 0 |" in report.SERVICE["schemathesis.json"](good)
    for wrong in (
        {"alive": False}, {"logged_failures": {"request: /v1/events 500": 1}}, {"phases": [{**part, "requests": 0}]},
        {"phases": [{**part, "failures": [{"code": "ST401"}]}]}, {"phases": [{**part, "status": "failure"}]},
    ):  # fmt: skip
        assert len(serve_schemathesis.faults({**good, **wrong})) == 1
    assert serve_schemathesis.faults({**good, "logged_failures": {"request: /v1/events 503": 1}}) == []


def test_light_answers_are_measured_beside_hostile_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serve_hostile, "CONNECTIONS", 20)
    with serve_schemathesis.served(tmp_path) as service:
        traffic = Traffic(["u1", "u2"], [f"i{n:02d}" for n in range(30)], service.key, service.key)
        world = World("model", "url", traffic, {"stored_events": 0})
        parts = serve_hostile.measure(world, service.port, rate=20, seconds=1)
    assert list(parts) == list(serve_report.HOSTILE)
    assert parts["heavy"]["beside"]["200"] > 0
    assert set(parts["endless"]["beside"]) <= {"431", "closed"}
    assert parts["idle"]["beside"]["opened"] >= 20
    assert all(part["statuses"] == {"answer 200": 20} for part in parts.values())
    result = {
        "what": "light", "command": "c", "machine": machine.describe(), "busy_before": 0.5, "stored_events": 9,
        "parts": parts,
    }  # fmt: skip
    text = report.SERVICE["hostile.json"](result)
    assert "The machine was busy" in text and "/readyz that failed | 0 | at most 0 | met" in text
    slow = json.loads(json.dumps(parts))
    slow["heavy"]["latency_ms"]["answer"]["p99"] = 1e6
    slow["alone"]["unanswered"] = 1
    slow["endless"]["ready_ms"] = {"count": 1, "failed": 1, "max": 1000.5}
    missed = [goal["text"] for goal in serve_report.hostile_goals({"parts": slow}) if not goal["met"]]
    assert {"slowest /readyz, ms", "/readyz that failed", "light answers that were not given"} <= set(missed)
    assert any("heavy" in text for text in missed)


def test_workers_are_judged_by_memory_rate_latency_and_content():
    load = {"statuses": {"answer 200": 9}, "unanswered": 0}
    rounds = [{"workers": workers, "most": dict(load), "steady": dict(load)} for workers in (1, 2)]
    speed = {
        "model": "item-knn", "rounds": rounds, "answers_a_second": [1100.0, 2050.0], "p99_ms": [900.0, 20.0],
        "answered_a_second": [1000.0, 1990.0], "cpu_ms_an_answer": [0.7, 0.8],
    }  # fmt: skip
    result = {
        "what": "workers", "command": "c", "machine": machine.describe(), "busy_before": 0.0, "speed": speed,
        "goals": {"rate": 2000.0, "p99_ms": 25.0, "memory": 1.3}, "memory_mib": {"ratio": 1.2},
    }  # fmt: skip
    assert all(goal["met"] for goal in serve_report.workers_goals(result))
    assert "| 2 | 2,050 | 1,990 | 20" in report.SERVICE["workers.json"](result)
    speed |= {"p99_ms": [1.0, 26.0], "answered_a_second": [2000.0, 1900.0]}
    rounds[1]["most"] = {"statuses": {"answer 200": 5, "answer 200 wrong": 2}}
    missed = [
        (goal["text"].split()[0], goal["value"]) for goal in serve_report.workers_goals(result) if not goal["met"]
    ]
    assert missed == [("answers", 1900.0), ("99th", 26.0), ("answers", 2)]
