"""Plans: of every model, growing with the log, refused with numbers, and in JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import DataError, MemoryLimitError, ParameterError
from penchant.models.registry import MODELS, create
from penchant.planning import check
from penchant.planning.coefficients import coefficients
from penchant.planning.estimate import estimate, fit_bytes
from penchant.planning.machine import Machine, parse_machine
from penchant.planning.plan import plan
from penchant.planning.result import STEPS, size_in_words, time_in_words
from tests.models.small import SMALL

GIB = 2**30
HERE = Machine(16 * GIB, 2, {"kernels": 1.0, "products": 1.0})
SMALL_LOG = LogShape.of_numbers(1e5, 8e3, 2e3, ratings=True, described=True)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_states_its_cost_and_was_measured(name: str) -> None:
    """A new model writes ``cost``; ``python -m bench plan --model NAME`` and ``--refit`` measure its coefficients."""
    model = create(name, {"members": ["als", "item-knn"]} if name == "blend" else None)
    cost, measured = model.cost(SMALL_LOG), coefficients().models.get(name)
    assert cost is not None, f"{name} must write cost(log): see Model.cost"
    assert measured is not None, f"measure {name}: python -m bench plan --model {name} && python -m bench plan --refit"
    assert set(cost.fit) <= set(measured.fit) and set(cost.answer) <= set(measured.answer)
    assert all(np.isfinite(amount) and amount >= 0 for amount in (*cost.fit.values(), *cost.answer.values()))
    took = estimate(model, SMALL_LOG, HERE)
    assert took is not None and 0 < took.fit_seconds < 1e6 and took.working >= took.held > 0
    assert took.measured >= 1_000_000


def test_work_of_a_kind_that_was_not_measured_has_no_estimate() -> None:
    """Few factors are solved in another way than the defaults."""
    few = create("als", {"factors": 8})
    if set(few.cost(SMALL_LOG).fit) <= set(coefficients().models["als"].fit):  # type: ignore[union-attr]  # it has one
        assert estimate(few, SMALL_LOG, HERE) is not None
    else:
        assert estimate(few, SMALL_LOG, HERE) is None
    assert len(plan(rows=1e5, users=8e3, items=2e3, models=[few, "als"], machine=HERE).models) == 2


@pytest.mark.parametrize("name", MODELS)
def test_more_rows_never_take_less(name: str) -> None:
    model = create(name, SMALL.get(name))
    before = estimate(model, LogShape.of_numbers(1e4, 1e3, 750, ratings=True, described=True), HERE)
    for rows in (1e5, 1e6, 1e7, 1e8, 1e9):
        log = LogShape.of_numbers(rows, rows / 10, 3 * rows**0.6, ratings=True, described=True)
        now = estimate(model, log, HERE)
        assert before is not None and now is not None
        assert now.fit_seconds >= before.fit_seconds and now.working >= before.working, rows
        before = now


def test_a_slower_machine_takes_longer_and_more_cores_less() -> None:
    plans = [
        plan(models="item-knn", rows=1e6, users=1e5, items=1e4, machine=replace(HERE, cores=cores, slowness=slow))
        for cores, slow in ((1, HERE.slowness), (1, {"kernels": 2.0, "products": 2.0}), (8, HERE.slowness))
    ]
    one, slow, eight = (found["item-knn"]["fit"].seconds for found in plans)
    assert slow == pytest.approx(2 * one) and one / 8 < eight < one / 3


def test_the_plan_of_a_log_that_was_read_needs_no_reading() -> None:
    log, _ = pc.load_movielens_small()
    found = pc.plan(log, ["popular", pc.ItemKNN(neighbours=7)], machine=HERE)
    assert found.log.seen == "log" and found.log.shape.events == len(log)
    assert [step.name for step in found["popular"].steps] == list(STEPS)
    assert found["item-knn"]["fit"].seconds > found["popular"]["fit"].seconds
    assert found["popular"].fits and not found["popular"].extrapolated
    with pytest.raises(KeyError, match="the models are popular, item-knn"):
        found["ease"]


def test_json_has_one_shape() -> None:
    found = json.loads(
        json.dumps(plan(models=["ease", "sasrec"], rows=1e9, users=1e8, items=1e6, machine=HERE).to_json())
    )
    assert set(found) == {"log", "machine", "models"}
    assert set(found["log"]) == {"seen", "rows", "events", "users", "items", "pairs", "format"}
    assert (found["log"]["rows"], found["log"]["users"], found["log"]["items"]) == (10**9, 10**8, 10**6)
    assert set(found["machine"]) == {"memory_bytes", "cores", "given", "slowness"}
    for model in found["models"]:
        assert set(model) == {
            "label", "model", "steps", "seconds", "bytes", "saved_bytes", "fits", "at_most", "extrapolated", "advice",
            "notes",
        }  # fmt: skip
        assert [step["step"] for step in model["steps"]] == list(STEPS)
        assert model["bytes"] == max(step["bytes"] for step in model["steps"])
        assert model["extrapolated"] and any("extrapolated" in note for note in model["notes"])
    ease, sasrec = found["models"]
    assert not ease["fits"] and "sparse-ease" not in ease["label"]
    assert sasrec["at_most"] and any("may stop by itself" in note for note in sasrec["notes"])


def test_what_does_not_fit_is_named_with_what_would() -> None:
    found = plan(models="ease", rows=1e6, users=1e5, items=1e5, machine=HERE)
    advice = found["ease"].advice
    assert not found["ease"].fits and found["ease"].bytes > 0.8 * 16 * GIB
    items = next(int(one.split()[1].replace(",", "")) for one in advice if "most popular items" in one)
    assert 20_000 < items < 100_000
    smaller = plan(models="ease", rows=1e6, users=1e5, items=items, machine=HERE)
    assert smaller["ease"].fits, "what is named does fit"
    assert "sparse-ease" in advice
    machine = next(one for one in advice if "machine" in one)
    needed = float(machine.split()[3].replace(",", ""))
    assert plan(models="ease", rows=1e6, users=1e5, items=1e5, machine=replace(HERE, memory=int((needed + 1) * GIB)))[
        "ease"
    ].fits
    crowded = plan(models="item-knn", rows=1e8, users=1e6, items=1e6, machine=replace(HERE, memory=12 * GIB))[
        "item-knn"
    ]
    assert not crowded.fits and any(one.endswith("% of the histories") for one in crowded.advice)


def test_memory_that_is_not_known_refuses_nothing() -> None:
    found = plan(models="ease", rows=1e6, users=1e5, items=1e6, machine=replace(HERE, memory=None))
    assert found["ease"].fits and found["ease"].advice == ()


def test_a_model_that_states_no_cost_is_planned_as_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pc.Popular, "cost", lambda self, log: None)
    found = plan(models=["popular", "bias"], rows=1e5, users=1e4, items=1e3, machine=HERE)
    assert found["popular"].steps == () and "does not state what it costs" in found["popular"].notes[0]
    assert found["popular"].fits and found["bias"].seconds > 0


@pytest.mark.parametrize(
    ("text", "memory", "cores"),
    [("24GiB,2cores", 24 * GIB, 2), ("1 core, 512MiB", GIB // 2, 1), ("64G", 64 * GIB, None), ("16cores", None, 16)],
)
def test_machines_are_written_as_people_write_them(text: str, memory: int | None, cores: int | None) -> None:
    found = parse_machine(text)
    assert found.given and (memory is None or found.memory == memory) and (cores is None or found.cores == cores)


@pytest.mark.parametrize(
    "text", ["", ",", "big", "24GiB,0cores", "2cores,3cores", "1GiB,2GiB", "24GiB;2cores", "-1GiB"]
)
def test_what_is_no_machine_is_refused(text: str) -> None:
    with pytest.raises(ParameterError):
        parse_machine(text)


def test_numbers_and_a_log_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="users, items is missing"):
        plan(models="popular", rows=1e5)
    with pytest.raises(ParameterError, match="leave out the log, or them"):
        plan(tmp_path / "log.csv", "popular", rows=1e5)
    with pytest.raises(ParameterError, match="did you mean"):
        plan(models="populer", rows=1e5, users=1e3, items=1e3)


def histories(items: int = 3_000) -> Histories:
    rng = np.random.default_rng(0)
    return Histories.from_lists([rng.integers(0, items, 5).tolist() for _ in range(400)], items)


def test_a_fit_that_would_not_fit_is_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.core.memory.free_bytes", lambda: 400 * 2**20)
    many, model = histories(20_000), pc.EASE(reg=100.0)
    said = r"ease over 20,000 items and 2,000 events needs about 1,\d\d\d MiB, 400 MiB are free and at most 80% of that"
    with pytest.raises(MemoryLimitError, match=said) as refused:
        check.check_memory(model, many, Run())
    for option in ("most popular items", "sparse-ease", "a machine with 1.", "--ignore-plan"):
        assert option in str(refused.value)
    check.check_memory(model, many, Run(ignore_plan=True))
    check.check_memory(pc.Popular(), many, Run())
    monkeypatch.setattr("penchant.core.memory.free_bytes", lambda: 8 * GIB)
    check.check_memory(model, many, Run())
    monkeypatch.setattr("penchant.core.memory.free_bytes", lambda: None)
    check.check_memory(model, many, Run())


def test_fit_tune_and_evaluate_ask_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    log, _ = pc.load_movielens_small()
    monkeypatch.setattr(check, "memory", SimpleNamespace(free_bytes=lambda: 10 * 2**20, SHARE=0.8))
    with pytest.raises(MemoryLimitError, match=r"ease over .* What would fit: "):
        pc.fit(log, "ease:reg=100")
    with pytest.raises(MemoryLimitError, match="ease over"):
        pc.tune(log, "ease:reg=100", trials=1, split="leave-last")
    found = pc.evaluate(log, ["popular", "ease:reg=100"], split="leave-last")
    assert found.models[0].error is None and "needs about" in (found.models[1].error or "")
    assert pc.fit(log, "popular").model.name == "popular"


def test_words_for_people() -> None:
    assert [time_in_words(s) for s in (0.01, 1.234, 45.6, 300, 7_300, 1e6)] == [
        "0 s", "1.2 s", "46 s", "5 min", "2 h", "12 days",
    ]  # fmt: skip
    assert [size_in_words(b) for b in (5 * 2**20, 3.5 * GIB)] == ["5 MiB", "3.5 GiB"]


def test_a_source_that_shows_no_size_is_named(tmp_path: Path) -> None:
    (tmp_path / "book.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match="--rows, --users and --items"):
        plan(tmp_path / "book.xlsx", "popular", machine=HERE)
    with pytest.raises(DataError, match="there is no such file"):
        plan(tmp_path / "none.csv", "popular", machine=HERE)


LARGE = {"rows": 2e7, "users": 2e6, "items": 5e6}


def test_an_index_counts() -> None:
    """Building takes time and memory, the folder grows, and answers take less: of models that can have one."""
    of = {"models": ["als:factors=64", "item-knn"], "machine": HERE, **LARGE}
    (als, knn), (with_index, same) = plan(**of).models, plan(**of, index=True).models
    assert with_index["fit"].seconds > als["fit"].seconds and same == knn
    assert with_index.saved - als.saved == pytest.approx(73 * LARGE["items"], rel=0.01)
    assert with_index["answer"].seconds < als["answer"].seconds / 2
    assert with_index["save"].bytes > als["save"].bytes
    small = {"models": "als:factors=64", "machine": HERE, "rows": 1e5, "users": 1e4, "items": 1e3}
    assert plan(**small, index=True).models[0]["answer"].seconds <= plan(**small).models[0]["answer"].seconds


def test_an_index_that_would_not_fit_is_refused_before_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    log, _ = pc.load_movielens_small()
    alone = fit_bytes(create("als"), LogShape.of(log.histories()))
    assert alone is not None
    free = int(alone / 0.8) + 2**20
    monkeypatch.setattr(check, "SMALL", 0)
    monkeypatch.setattr(check, "memory", SimpleNamespace(free_bytes=lambda: free, SHARE=0.8))
    monkeypatch.setattr(pc.ALS, "_fit", lambda *_: pytest.fail("it is refused before the fit"))
    with pytest.raises(MemoryLimitError, match=r"als with an index over .* What would fit: als without an index; "):
        pc.fit(log, "als", index=True)
    check.check_memory(create("als"), log.histories(), Run())
    with pytest.raises(ParameterError, match="item-knn has no index"):
        pc.fit(log, "item-knn", index=True)
    with pytest.raises(ParameterError, match="an index needs a model"):
        pc.fit(log, index=True)


def test_a_prepared_log_is_not_held_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("user,item\n" + "".join(f"u{n % 700},i{n % 501}\n" for n in range(40_000)))
    pc.prepare(file, tmp_path / "log")
    in_memory, prepared = (plan(log, "popular", machine=HERE) for log in (pc.read_interactions(file), tmp_path / "log"))
    assert prepared.log.mapped and not in_memory.log.mapped
    saved = in_memory["popular"]["save"].bytes - prepared["popular"]["save"].bytes
    assert saved == pytest.approx(coefficients().log["event"] * 40_000, abs=2)
    assert plan(pc.read_interactions(tmp_path / "log"), "popular", machine=HERE).log.mapped


def test_a_log_in_which_nobody_repeats_items_has_nothing_to_merge() -> None:
    """Though its mean length is that of a sample."""
    rng = np.random.default_rng(0)
    lengths = rng.geometric(0.1, 30_000).clip(1, 90)
    rows = [rng.permutation(100)[:size].tolist() for size in lengths]
    shape = LogShape.of(Histories.from_lists(rows, 100))
    assert shape.merged == 0 and shape.distinct == pytest.approx(lengths.sum())
    again = LogShape.of(Histories.from_lists([row + row[:1] for row in rows], 100))
    assert again.merged > 0
