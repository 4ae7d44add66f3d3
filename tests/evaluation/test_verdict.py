from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

import penchant as pc
from penchant.core.run import Run
from penchant.core.split import Split
from penchant.data.interactions import Interactions
from penchant.evaluation.bootstrap import Estimate
from penchant.evaluation.costs import answer_ms, size_bytes
from penchant.evaluation.result import Result
from penchant.evaluation.verdict import BASELINES, Difference, Verdict, is_deep, is_ranker, judge
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
    assert found is not None and found.baselines == ["item-knn", "popular"], "the best first"
    assert [model.label for model in found.models] == ["slim", "bpr", "item-knn", "popular"]
    assert found["slim"].beats == ["bpr", "item-knn", "popular"] and found["slim"].beaten_by == []
    over = found["slim"].against[1]
    assert (over.other, over.mean) == ("item-knn", pytest.approx(0.1))
    assert (over.low, over.high) == (pytest.approx(0.1 - 0.0095, abs=1e-4), pytest.approx(0.1 + 0.0095, abs=1e-4))
    assert found["bpr"].beats == ["popular"] and found["bpr"].not_beaten == ["item-knn"]
    assert found["bpr"].beaten_by == ["slim"]
    assert found["bpr"].worth_it is False
    assert found["slim"].worth_it is None, "transitions, ease and als were not compared"
    assert found.take.label == "slim" and found.says == (
        "take slim: the best by ndcg@10 (0.3000), 12.0 s to fit, 3.0 ms an answer, 1.5 MiB"
    )


def test_of_two_baselines_too_it_says_whether_one_beats_the_other() -> None:
    results = [a_result("popular", 0.1), a_result("item-knn", 0.2), a_result("ease", 0.201)]
    drawn = np.stack([0.1 + DRAWS, 0.2 + DRAWS, 0.201 + 1.02 * DRAWS], axis=1)
    found = judge(results, drawn, "ndcg@10")
    assert found is not None and found["item-knn"].beats == ["popular"] and found["item-knn"].worth_it is None
    assert found["ease"].beats == ["popular"] and found["popular"].beaten_by == ["ease", "item-knn"]
    assert found.says.endswith("; within noise of it: item-knn")
    text = table_of(found)
    rows = {line.split()[0]: " ".join(line.split()) for line in text.splitlines() if "baseline" in line}
    assert list(rows) == ["ease", "item-knn", "popular"]
    assert rows["popular"].startswith("popular – all above -0.1010 [-0.1105, -0.0915] 12.0 3.0 1.5 baseline")
    assert rows["item-knn"].startswith("item-knn popular – ")


def test_the_table_is_readable_where_it_is_narrow_and_where_models_are_many() -> None:
    names = ["a-model:with=long,parameters=3", *BASELINES, "slim", "bpr"]
    results = [a_result(name, 0.1 * n) for n, name in enumerate(names)]
    drawn = np.stack([0.1 * n + 0.01 * DRAWS for n in range(len(names))], axis=1)
    found = judge(results, drawn, "ndcg@10")
    assert found is not None
    wide, narrow = table_of(found, 130), table_of(found, 80)
    assert "ndcg@10 to the best" in wide and "ndcg@10 to the best" not in narrow
    for text in (wide, narrow):
        assert "all below" in text and "all above" in text and "…" not in text
    assert all(len(line) <= 80 for line in narrow.splitlines())


def table_of(found: Verdict, width: int = 100) -> str:
    """The verdict as it is printed."""
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, markup=False)
    for part in found.parts():
        console.print(part)
    return out.getvalue()


def test_of_errors_the_lower_one_is_the_better() -> None:
    results = [a_result("popular", 0.9), a_result("slim", 0.7)]
    drawn = np.stack([0.9 + 0.1 * DRAWS, 0.7 + 0.1 * DRAWS], axis=1)
    lower, higher = judge(results, drawn, "ndcg@10", lower_is_better=True), judge(results, drawn, "ndcg@10")
    assert lower is not None and higher is not None
    assert lower["slim"].beats == ["popular"] and lower["slim"].value == 0.7
    assert higher["slim"].beats == []


def test_a_deep_model_that_beats_not_every_baseline_is_named_with_its_price() -> None:
    results = [*(a_result(name, 0.1 * n) for n, name in enumerate(BASELINES)), a_result("sasrec", 0.35)]
    drawn = np.stack([r.metrics["ndcg@10"].mean + 0.01 * DRAWS for r in results], axis=1)  # type: ignore[operator]
    found = judge(results, drawn, "ndcg@10")
    assert found is not None and found["sasrec"].deep and found["sasrec"].worth_it is False
    assert found["sasrec"].role == "not worth it" and found["sasrec"].not_beaten == ["als"]
    assert found.take.label == "als"
    results[-1] = a_result("sasrec", 0.41)
    drawn[:, -1] = 0.41 + 5 * DRAWS
    noisy = judge(results, drawn, "ndcg@10")
    assert noisy is not None and noisy.take.label == "als", "the network is the best, but within noise"
    assert noisy.says == (
        "take als: ndcg@10 0.4000, 12.0 s to fit, 3.0 ms an answer, 1.5 MiB; sasrec (0.4100) does not beat every "
        "baseline and costs 12.0 s to fit, 3.0 ms an answer, 1.5 MiB"
    )
    drawn[:, -1] = 0.55 + 0.01 * DRAWS
    results[-1] = a_result("sasrec", 0.55)
    found = judge(results, drawn, "ndcg@10")
    assert found is not None and found["sasrec"].worth_it is True and found.missing == []
    assert found["sasrec"].role == "worth it" and found.take.label == "sasrec"


def test_a_second_stage_is_what_stands_among_the_rankers() -> None:
    assert is_ranker("ranked") and is_ranker("fm-rating") and not is_ranker("blend") and not is_ranker("als")


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
    assert set(follows.not_beaten) <= {"transitions", "item-knn", "ease"} and "popular" in follows.beats
    assert "transitions" in follows.not_beaten, "which is the same model on this log"
    assert follows.worth_it is False and not follows.deep
    assert found.verdict["ease"].baseline and found.verdict["ease"].worth_it is None
    with pytest.raises(KeyError, match="the models are "):
        found.verdict["slim"]
    text = " ".join(str(found).split())
    assert f"take {found.verdict.take.label}: " in text and "penchant tune" in text
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))["verdict"]
    assert list(document) == [
        "metric", "take", "says", "baselines", "missing", "refused", "out_of_reach", "untuned", "models",
    ]  # fmt: skip
    model = next(model for model in document["models"] if model["label"] == "follows")
    assert list(model) == [
        "label", "baseline", "deep", "ranker", "worth_it", "beats", "beaten_by", "does_not_beat", "against",
        "fit_seconds", "answer_ms", "size_mib",
    ]  # fmt: skip
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
    assert [model.label for model in found.verdict.models] == ["popular"]


def test_it_asks_for_no_baseline_that_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    results, drawn = [a_result("popular", 0.1)], 0.1 + DRAWS[:, None]
    found = judge(results, drawn, "ndcg@10", n_items=1_000_000)
    assert found is not None and found.out_of_reach == ["ease"] and "ease" not in found.missing
    assert any("too large for this machine" in line for line in found.remarks())
    small = judge(results, drawn, "ndcg@10", n_items=1_000)
    assert small is not None and "ease" in small.missing and small.out_of_reach == []
    monkeypatch.setattr("penchant.core.memory.free_bytes", lambda: 1_000_000)
    tight = judge(results, drawn, "ndcg@10", n_items=1_000)
    assert tight is not None and tight.out_of_reach == ["ease"], "4 MB of weights in 1 MB of memory"


def test_a_baseline_that_cannot_be_fitted_need_not_be_beaten_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert verdict is not None and verdict["slim"].worth_it is True and verdict.missing == []
    assert any("had to beat it: item-knn, transitions, ease:reg=7 and als" in line for line in verdict.remarks())


def test_a_metric_over_all_lists_has_no_verdict() -> None:
    assert pc.evaluate(a_market(), "popular", split="leave-last", metrics="coverage").verdict is None


def test_errors_of_ratings_have_a_verdict_with_baselines_of_their_own() -> None:
    rated = a_log([[0, 1, 2]] * 20, values=[[1, 3, 5]] * 20, values_are="rating")
    found = pc.evaluate(rated, [Constant(), "bias"], split="random:2", metrics="rmse")
    verdict = found.verdict
    assert verdict is not None and verdict.take.label == "bias" and verdict.baselines == ["bias"]
    assert verdict.missing == ["item-knn", "svd"] and verdict["constant"].beaten_by == ["bias"]
    over = verdict["bias"].against[0]
    error = {label: found[label].metrics["rmse"].mean for label in ("bias", "constant")}
    assert over.mean == pytest.approx(error["constant"] - error["bias"]), "of errors, not of their squares"  # type: ignore[operator]
    assert over.low <= over.mean <= over.high
    assert found.models[0].answer_ms is None and verdict["bias"].answer_ms is None
    nothing = judge([a_result("popular", 0.1)], np.full((9, 1), np.nan), "ndcg@10")
    assert nothing is not None and nothing.take.label == "popular"
    empty = Result("popular", "popular", {}, {"ndcg@10": Estimate(None)})
    assert judge([empty], np.full((9, 1), np.nan), "ndcg@10") is None


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
