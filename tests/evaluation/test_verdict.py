from __future__ import annotations

import json

import numpy as np
import pytest

import penchant as pc
from penchant.core.split import Split
from penchant.data.interactions import Interactions
from penchant.evaluation.bootstrap import Estimate
from penchant.evaluation.costs import answer_ms, size_bytes
from penchant.evaluation.result import Result
from penchant.evaluation.verdict import BASELINES, Difference, is_deep, judge
from penchant.models.kinds.base import Run
from tests.evaluation.small_logs import a_log, a_market
from tests.evaluation.toy_models import Constant, Follows, Knob

DRAWS = np.arange(1000) / 1000 - 0.4995  # noise around 0, the same for everybody


def a_ring() -> Interactions:
    """Everyone walks round a ring of 30 items from a place of their own: only the last item says what is next."""
    rng = np.random.default_rng(0)
    rows = [((start + np.arange(rng.integers(5, 9))) % 30).tolist() for start in rng.integers(0, 30, 200)]
    return a_log(rows, times=[list(range(len(row))) for row in rows])


def a_result(label: str, mean: float, params: dict[str, object] | None = None) -> Result:
    return Result(
        label, label.partition(":")[0], params or {}, {"ndcg@10": Estimate(mean)},
        fit_seconds=12.0, answer_ms=3.0, size_mib=1.5,
    )  # fmt: skip


def test_a_model_beats_another_where_the_interval_of_their_paired_difference_lies_above_zero() -> None:
    """All share the same large noise: what counts is the small one of the differences."""
    results = [a_result("popular", 0.1), a_result("item-knn", 0.2), a_result("slim", 0.3), a_result("bpr", 0.205)]
    drawn = np.stack([0.1 + DRAWS, 0.2 + DRAWS, 0.3 + 1.02 * DRAWS, 0.205 + 1.02 * DRAWS], axis=1)
    found = judge(results, drawn, "ndcg@10")
    assert found.baselines == ["item-knn", "popular"], "the best first"
    assert found["slim"].beaten == ["item-knn", "popular"]
    over = found["slim"].against[0]
    assert (over.baseline, over.mean) == ("item-knn", pytest.approx(0.1))
    assert (over.low, over.high) == (pytest.approx(0.1 - 0.0095, abs=1e-4), pytest.approx(0.1 + 0.0095, abs=1e-4))
    assert found["bpr"].beaten == ["popular"] and found["bpr"].not_beaten == ["item-knn"]
    assert found["bpr"].worth_it is False
    assert found["slim"].worth_it is None, "transitions, ease and als were not compared"


def test_of_errors_the_lower_one_is_the_better() -> None:
    results = [a_result("popular", 0.9), a_result("slim", 0.7)]
    drawn = np.stack([0.9 + 0.1 * DRAWS, 0.7 + 0.1 * DRAWS], axis=1)
    assert judge(results, drawn, "ndcg@10", lower_is_better=True)["slim"].beaten == ["popular"]
    assert judge(results, drawn, "ndcg@10")["slim"].beaten == []


def test_a_deep_model_that_beats_not_every_baseline_is_named_with_its_price() -> None:
    results = [*(a_result(name, 0.1 * n) for n, name in enumerate(BASELINES)), a_result("sasrec", 0.35)]
    drawn = np.stack([r.metrics["ndcg@10"].mean + 0.01 * DRAWS for r in results], axis=1)  # type: ignore[operator]
    found = judge(results, drawn, "ndcg@10")
    assert found["sasrec"].deep and found["sasrec"].worth_it is False
    (line,) = [line for line in found.lines() if "sasrec" in line]
    assert line.strip().startswith(
        "sasrec is not worth it: it does not beat als (-0.0500 [-0.0500, -0.0500]). It costs"
    )
    assert "12.0 s to fit, 3.0 ms an answer, 1.5 MiB; als 12.0 s" in line
    drawn[:, -1] += 0.2
    results[-1] = a_result("sasrec", 0.55)
    found = judge(results, drawn, "ndcg@10")
    assert found["sasrec"].worth_it is True and found.missing == []
    assert any("sasrec beats als, ease, transitions, item-knn and popular: +0.1500" in line for line in found.lines())


def test_deep_is_what_needs_the_neural_extra_also_inside_a_blend() -> None:
    assert is_deep("mult-vae", {}) and not is_deep("ease", {}) and not is_deep("follows", {})
    assert is_deep("blend", {"members": [{"model": "ease", "params": {}}, {"model": "sasrec", "params": {}}]})
    assert not is_deep("blend", {"members": [{"model": "ease", "params": {}}]})


def test_of_several_baselines_of_one_name_the_best_is_to_be_beaten() -> None:
    found = pc.evaluate(a_market(), ["item-knn:neighbours=1", "item-knn", Knob(turn=0.5)], split="leave-last")
    assert found.verdict is not None
    assert found.verdict.baselines == ["item-knn"] and found.verdict["knob:turn=0.5"].not_beaten == ["item-knn"]


def test_the_verdict_of_an_evaluation() -> None:
    found = pc.evaluate(a_ring(), [Follows(), *BASELINES], split="leave-last", k=1)
    assert found.verdict is not None and set(found.verdict.baselines) == set(BASELINES)
    assert found.verdict.missing == [] and found.verdict.refused == []
    follows = found.verdict["follows"]
    assert set(follows.not_beaten) <= {"transitions", "item-knn", "ease"} and "popular" in follows.beaten
    assert "transitions" in follows.not_beaten, "which is the same model on this log"
    assert follows.worth_it is False and not follows.deep
    with pytest.raises(KeyError, match="the verdict is about follows"):
        found.verdict["ease"]
    text = " ".join(str(found).split())
    assert "follows does not beat" in text and "penchant tune" in text
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))["verdict"]
    assert list(document) == ["metric", "baselines", "missing", "refused", "untuned", "models"]
    (model,) = document["models"]
    assert list(model) == ["label", "deep", "worth_it", "beats", "does_not_beat", "against", "says"]
    assert model["against"][0]["difference"]["low"] <= model["against"][0]["difference"]["mean"]
    assert document["metric"] == "ndcg@1" and set(document["untuned"]) == set(BASELINES)


def test_it_says_what_is_missing_and_asks_nothing_of_order_where_there_is_none() -> None:
    found = pc.evaluate(a_market(), [Knob(turn=0.5), "popular"], split="leave-last")
    assert found.verdict is not None
    assert found.verdict.missing == ["item-knn", "transitions", "ease", "als"]
    assert "add -m item-knn -m transitions -m ease -m als" in " ".join(str(found).split())
    unordered = a_log([np.random.default_rng(n).permutation(9)[:5].tolist() for n in range(30)])
    found = pc.evaluate(unordered, "popular", split="users")
    assert found.verdict is not None and found.verdict.missing == ["item-knn", "ease", "als"]
    assert found.verdict.models == []


def test_a_baseline_that_cannot_be_fitted_has_not_to_be_beaten_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pc.EASE, "_fit", fail)
    found = pc.evaluate(a_market(), [Knob(turn=0.5), "popular", "ease:reg=7"], split="leave-last")
    assert found.verdict is not None and found.verdict.refused == ["ease:reg=7"]
    assert found.verdict.missing == ["item-knn", "transitions", "als"]

    results = [a_result("popular", 0.1), a_result("slim", 0.3)]
    drawn = np.stack([0.1 + 0.01 * DRAWS, 0.3 + 0.01 * DRAWS], axis=1)
    gone = {"item-knn": "item-knn", "transitions": "transitions", "ease:reg=7": "ease", "als": "als"}
    verdict = judge(results, drawn, "ndcg@10", refused=gone)
    assert verdict["slim"].worth_it is True and verdict.missing == []
    assert any("nothing had to beat it: item-knn, transitions, ease:reg=7 and als" in line for line in verdict.lines())


def test_no_verdict_by_what_is_no_list_or_no_number_a_case() -> None:
    market = a_market()
    assert pc.evaluate(market, "popular", split="leave-last", metrics="coverage").verdict is None
    rated = a_log([[0, 1, 2]] * 20, values=[[1, 3, 5]] * 20, values_are="rating")
    found = pc.evaluate(rated, [Constant(), "bias"], split="random:2", metrics="rmse")
    assert found.verdict is None and found.to_json()["verdict"] is None
    assert found.models[0].answer_ms is None and found.to_json()["models"][0]["answer_ms"] is None


def test_a_difference_reads_with_its_sign() -> None:
    assert str(Difference("ease", 0.0123, -0.001, 0.02)) == "+0.0123 [-0.0010, +0.0200]"


def test_the_cost_is_that_of_one_answer_and_of_what_is_saved() -> None:
    found = pc.evaluate(a_market(), ["popular", "ease"], split="leave-last")
    popular, ease = found.models
    assert popular.size_mib < ease.size_mib
    assert ease.size_mib * 2**20 >= 4 * 40 * 40, "items × items numbers"
    assert popular.answer_ms is not None and 0 < popular.answer_ms < 1000
    blend = pc.Blend(members=[{"model": "ease"}, {"model": "popular"}])
    whole = pc.evaluate(a_market(), [blend], split="leave-last").models[0].size_mib
    assert whole >= ease.size_mib + popular.size_mib - 0.001, "with its members"


def test_slow_answers_are_timed_less_often_and_none_where_nobody_asks() -> None:
    log = a_market().histories()
    split = Split("mine", log, log[:0], log[:0])
    model = pc.Popular().fit(log)
    assert answer_ms(model, split, Run()) == 0.0
    assert size_bytes(model) >= model.item_counts.nbytes
