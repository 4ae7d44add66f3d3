from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.core.split import Split
from penchant.data.interactions import Interactions
from penchant.data.vocab import Vocab
from penchant.errors import DataError, NotFittedError, ParameterError, ScoreError, TrainingError
from penchant.evaluation.measure import measure, parse_metrics
from penchant.evaluation.protocols import leave_last, make_splits
from tests.evaluation.small_logs import a_log, a_market
from tests.evaluation.toy_models import Broken, CompilesFirst, Constant, Follows, Knob


def test_where_order_matters_a_model_of_order_wins() -> None:
    """Everyone walks round a ring of 30 items from a place of their own: only the last item says what is next."""
    rng = np.random.default_rng(0)
    rows = [((start + np.arange(rng.integers(5, 9))) % 30).tolist() for start in rng.integers(0, 30, 200)]
    log = a_log(rows, times=[list(range(len(row))) for row in rows])
    found = pc.evaluate(log, [Follows(), pc.Popular()], split="leave-last", k=1)
    assert found["follows"].metrics["hit@1"].mean == pytest.approx(1)
    assert found["popular"].metrics["hit@1"].mean < 0.2  # type: ignore[operator]
    assert found["follows"].best and not found["popular"].not_worse_than_best


def test_the_json_is_that_of_the_definition() -> None:
    found = pc.evaluate(
        a_market(), ["popular", "popular:half_life_days=2"], split="leave-last", k=5, metrics="ndcg,coverage"
    )
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert list(document) == ["split", "models", "verdict"] and document["verdict"]["metric"] == "ndcg@5"
    assert set(document["split"]) == {"name", "cases", "warm", "new", "cold_truth_share", "repeat"}
    assert document["split"]["name"] == "leave-last" and document["split"]["cases"] == 300
    first, second = document["models"]
    assert set(first) == {
        "label", "name", "params", "metrics", "fallback_share", "fit_seconds", "score_seconds", "compile_seconds",
        "peak_mib", "answer_ms", "size_mib", "best", "not_worse_than_best",
    }  # fmt: skip
    assert second["label"] == "popular:half_life_days=2" and second["params"]["half_life_days"] == 2
    assert first["metrics"]["coverage@5"]["low"] is None and first["metrics"]["coverage@5"]["mean"] > 0
    ndcg = first["metrics"]["ndcg@5"]
    assert ndcg["low"] < ndcg["mean"] < ndcg["high"]
    assert [first["best"], second["best"]].count(True) == 1


def test_warm_and_new_people_are_reported_apart_and_together() -> None:
    found = pc.evaluate(a_market(), "popular", split="time:.7", metrics="recall")
    assert found.warm and found.new and found.cases == found.warm + found.new
    recall = found.to_json()["models"][0]["metrics"]["recall@10"]
    together = (recall["warm"]["mean"] * found.warm + recall["new"]["mean"] * found.new) / found.cases
    assert recall["mean"] == pytest.approx(together)
    assert "warm people only" in str(found) and "new people only" in str(found)


def test_one_group_alone_is_not_reported_twice() -> None:
    found = pc.evaluate(a_market(), "popular", split="leave-last", metrics="recall")
    assert set(found.to_json()["models"][0]["metrics"]["recall@10"]) == {"mean", "low", "high"}


def test_folds_are_taken_together_and_ratings_over_rows() -> None:
    rng = np.random.default_rng(1)
    rows = [rng.permutation(20)[: rng.integers(4, 15)].tolist() for _ in range(40)]
    values = [rng.integers(1, 6, len(row)).tolist() for row in rows]
    log = a_log(rows, n_items=20, values=values, values_are="rating")
    flat = np.concatenate([np.array(row, float) for row in values])
    found = pc.evaluate(log, [Constant(guess=2.0), pc.Popular()], split="random:4")
    constant, popular = found.models
    assert constant.metrics["rmse"].mean == pytest.approx(np.sqrt(((flat - 2) ** 2).mean()))
    assert constant.metrics["mae"].mean == pytest.approx(np.abs(flat - 2).mean())
    assert constant.metrics["rmse"].low < constant.metrics["rmse"].mean < constant.metrics["rmse"].high  # type: ignore[operator]
    assert popular.metrics["rmse"].mean is None, "a model that does not predict"


def test_rmse_counts_disliked_rows_too_and_lower_is_better() -> None:
    rows, values = [[0, 1, 2, 3]] * 30, [[1, 2, 4, 5]] * 30
    liked = [[False, False, True, True]] * 30
    log = a_log(rows, values=values, values_are="rating", liked=liked)
    found = pc.evaluate(log, [Constant(guess=1.0), Constant(guess=3.0)], split="random:2", metrics="rmse,mae")
    assert found.models[1].metrics["mae"].mean == pytest.approx((2 + 1 + 1 + 2) / 4)
    assert found.models[1].best and not found.models[0].not_worse_than_best
    assert found.models[0].label == "constant:guess=1.0"


def test_only_the_truth_of_positives_counts_and_cases_without_are_left_out_and_counted() -> None:
    rows = [[0, 1, 2], [3, 4, 5]]
    log = a_log(rows, liked=[[True] * 3, [True, True, False]], parts=[["train", "train", "test"]] * 2)
    found = pc.evaluate(log, "popular", split="column", metrics="hit")
    assert found.cases == 1 and found.left_out == 1 and "1 without a true item" in found.headline()


def test_a_split_without_any_answer_is_refused() -> None:
    log = a_log([[0, 0, 0], [1, 1, 1]])
    with pytest.raises(DataError, match=r"no case has a true item.*--repeat"):
        pc.evaluate(log, "popular", split="leave-last")
    assert pc.evaluate(log, "popular", split="leave-last", repeat=True).cases == 2


def test_cold_truth_stays_in_and_its_share_is_said() -> None:
    log = a_log([[0, 1, 2, 9], [0, 1, 2, 3], [3, 2, 0, 1]])
    found = pc.evaluate(log, "popular", split="leave-last", metrics="recall", k=9)
    assert found.cold_truth_share == pytest.approx(1 / 3), "item 9 was in nobody's training"
    assert found.cases == 3
    known = pc.evaluate(log, "popular", split="leave-last", metrics="recall", k=9, known_only=True)
    assert known.cases == 2 and known.cold_truth_share == 0


def test_items_outside_the_vocabulary_are_misses_of_a_split_of_ones_own() -> None:
    rows = Histories.from_lists([[0], [1]], 4)
    split = Split("mine", rows, rows, Histories.from_lists([[1], []], 4), unknown_truth=np.array([1, 2]))
    found = pc.evaluate(split, "popular", metrics="recall,hit", k=3)
    assert found.cases == 2
    assert found.models[0].metrics["recall@3"].mean == pytest.approx((1 / 2 + 0) / 2)
    assert found.cold_truth_share == pytest.approx(3 / 4)


def test_seen_items_are_no_answers_unless_repeats_are_allowed() -> None:
    log = a_log([[0, 1, 0], [0, 1, 0], [2, 3, 1]], times=[[1, 2, 9]] * 3)
    found = pc.evaluate(log, "popular", split="leave-last", repeat=True, k=1, metrics="hit")
    assert found.repeat and found.models[0].metrics["hit@1"].mean == pytest.approx(2 / 3)
    assert "may be answers" in found.headline()


def test_models_of_the_caller_stay_unfitted() -> None:
    model = pc.Popular()
    pc.evaluate(a_market(), model, split="users")
    with pytest.raises(NotFittedError):
        model.score(Histories.from_lists([[1]], 40))


def test_a_model_that_refuses_ends_its_own_row_alone() -> None:
    refusing = Knob(turn=0.9, fails=True)
    found = pc.evaluate(a_market(), [refusing, "popular", "random"], split="leave-last")
    assert [model.name for model in found.models] == ["knob", "popular", "random"]
    first = found.models[0]
    assert first.error == "the loss is not a number" and first.metrics["ndcg@10"].mean is None
    assert not first.best and not first.not_worse_than_best
    assert [model.best for model in found.models].count(True) == 1
    alone = pc.evaluate(a_market(), ["popular", "random"], split="leave-last")
    assert [m.metrics for m in found.models[1:]] == [m.metrics for m in alone.models]
    assert "the loss is not a number" in str(found)
    documents = found.to_json()["models"]
    assert documents[0]["error"] == "the loss is not a number" and "error" not in documents[1]
    with pytest.raises(TrainingError, match="the loss"):
        pc.evaluate(a_market(), refusing, split="leave-last")


def test_memory_that_runs_out_has_its_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Follows, "_fit", burst)
    found = pc.evaluate(a_market(), [pc.Popular(), Follows()], split="leave-last")
    assert "memory" in str(found["follows"].error)


def test_candidates_limit_the_lists_and_the_name_says_so(tmp_path) -> None:
    log = a_market()
    file = tmp_path / "candidates.csv"
    rng = np.random.default_rng(2)
    lines = [f"u{u},i{i}" for u in range(log.n_users) for i in rng.permutation(40)[:5]]
    file.write_text("user,item\n" + "\n".join(lines) + "\n", encoding="utf-8")
    sampled = pc.evaluate(log, "random", split="leave-last", candidates=file, metrics="hit", k=3)
    assert "sampled" in sampled.split and any("sampled" in note for note in sampled.notes)
    full = pc.evaluate(log, "random", split="leave-last", metrics="hit", k=3)
    assert sampled.models[0].metrics["hit@3"].mean > 2 * full.models[0].metrics["hit@3"].mean  # type: ignore[operator]


def test_sessions_are_drawn_whole_and_repeats_are_allowed() -> None:
    log = replace(a_market(users=120, length=6), sessions=True)
    (split,) = make_splits(log, "users")
    found = pc.evaluate(log, [Follows(), "popular"], split="users", metrics="mrr")
    assert found.repeat and found.cases == len(split) > len(np.unique(split.group))  # type: ignore[arg-type]


def test_fallback_is_counted() -> None:
    """A case without a positive event is ranked by popularity; one that the model knows nothing about is not."""
    train = Histories.from_lists([[0, 1], [1, 2], [1, 3], [2, 3]], 6)
    weights = [[1.0], [-1.0], [1.0], []]
    given = Histories.from_lists([[0], [0], [5], []], 6, values=weights, values_are="weight")
    truth = Histories.from_lists([[1], [1], [1], [4]], 6)
    split, metrics = Split("four", train, given, truth), parse_metrics("hit@1,auc")
    found = measure(Follows().fit(train), split, metrics, run=Run())
    assert found.fallback.tolist() == [False, True, False, True]
    popular = measure(pc.Popular().fit(train), split, metrics, run=Run())
    np.testing.assert_array_equal(found.sums[found.fallback], popular.sums[found.fallback])
    assert found.sums[1].tolist() == [1.0, 1.0]


def test_labels_are_unique_and_find_their_results() -> None:
    found = pc.evaluate(a_market(), [pc.Popular(), pc.Popular(), "random"], split="users", metrics="hit")
    assert [model.label for model in found.models] == ["popular", "popular #2", "random"]
    assert found["random"].name == "random"
    with pytest.raises(KeyError, match="the models are"):
        found["ease"]


def test_the_same_seed_gives_the_same_numbers_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def numbers() -> list[dict[str, object]]:
        found = pc.evaluate(a_market(), ["popular", "random"], split="random:3", seed=3).to_json()
        return [model["metrics"] for model in found["models"]]

    first = numbers()
    monkeypatch.setattr("penchant.evaluation.measure.CASES_AT_ONCE", 7)
    assert numbers() == first


def test_progress_is_reported_by_model_and_fold() -> None:
    seen: list[tuple[str, int, int]] = []
    run = Run(progress=lambda stage, done, total: seen.append((stage, done, total)))
    pc.evaluate(a_market(), "popular", split="random:2", metrics="hit", run=run)
    assert [stage for stage, _, _ in seen] == ["popular (1/2): ranking", "popular (2/2): ranking"]
    assert all(done == total for _, done, total in seen)


def test_what_makes_no_sense_is_refused() -> None:
    log = a_market()
    for metrics in ("ndgc", "ndcg@0", "rmse@10", "", "ndcg@x"):
        with pytest.raises(ParameterError):
            pc.evaluate(log, "popular", metrics=metrics)
    with pytest.raises(ParameterError, match="at least one model"):
        pc.evaluate(log, [])
    split = make_splits(log, "users")[0]
    with pytest.raises(ParameterError, match="belong to a log"):
        pc.evaluate(split, "popular", split="time")
    with pytest.raises(ParameterError, match="takes a log"):
        pc.evaluate([], "popular")


def test_a_table_fits_the_terminal_whatever_its_width() -> None:
    from io import StringIO

    from rich.console import Console

    found = pc.evaluate(a_market(), ["popular", "popular:half_life_days=0.25"], split="time")
    for width in (60, 80, 200):
        out = StringIO()
        Console(file=out, width=width).print(found.table())
        text = out.getvalue()
        assert max(map(len, text.splitlines())) <= width
        for name in ("hit@10", "coverage@10", "score s"):
            assert name in text
        assert f"{found.models[0].metrics['map@10'].mean:.4f}" in text


def test_printed_it_is_as_wide_as_the_terminal_or_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    found = pc.evaluate(a_market(), ["popular"], split="time")
    for columns, most in (("", 100), ("70", 70)):
        monkeypatch.setenv("COLUMNS", columns)
        lines = str(found).splitlines()
        assert most - 15 < max(map(len, lines)) <= most


def rated_market() -> Interactions:
    log = a_market()
    rng = np.random.default_rng(0)
    return replace(log, values=rng.integers(1, 6, len(log)).astype(np.float32), values_are="rating")


def test_metrics_of_ratings_are_asked_of_models_that_predict() -> None:
    log = rated_market()
    with pytest.raises(ParameterError, match=r"^popular, random: predicts no ratings; rmse needs a model that does$"):
        pc.evaluate(log, ["popular", "random"], split="random:2", metrics="rmse")
    found = pc.evaluate(log, ["popular", "bias"], split="random:2", metrics="rmse,mae")
    assert [result.error for result in found.models] == ["predicts no ratings", None]
    assert found["bias"].best and "people only" not in str(found)
    found = pc.evaluate(log, ["popular", "bias"], split="random:2", metrics="ndcg,rmse")
    assert [list(result.notes) for result in found.models] == [["predicts no ratings"], []]
    assert found["popular"].metrics["ndcg@10"].mean and found["popular"].metrics["rmse"].mean is None
    assert pc.evaluate(log, ["popular", "bias"], split="random:2")["popular"].notes == (), "nobody asked"
    with pytest.raises(DataError, match="rmse: the log holds no ratings"):
        pc.evaluate(a_market(), "popular", split="random:2", metrics="rmse")
    assert "rmse: the log holds no ratings" in pc.evaluate(a_market(), "popular", metrics="ndcg,rmse").notes


def test_what_every_fold_has_to_report_is_said_once() -> None:
    found = pc.evaluate(a_market(), "rp3beta:max_history=7,beta=0.2,half_life=none", split="random:3", metrics="hit")
    (said,) = found.models[0].notes
    assert "histories were cut" in said and said.endswith("(first fold; similar in the others)")
    model = "rp3beta:max_history=7,beta=0.2,half_life=none"
    (said,) = pc.evaluate(a_market(), model, split="leave-last", metrics="hit").models[0].notes
    assert "fold" not in said


def test_measure_gives_each_case_its_share() -> None:
    split = leave_last(a_market().histories())
    metrics = parse_metrics("hit@3,recall@3")
    measured = measure(pc.Popular().fit(split.train), split, metrics, run=Run())
    assert measured.counts.tolist() == [[1.0, 1.0]] * len(split)
    assert set(measured.sums[:, 0]) <= {0.0, 1.0}
    assert measured.mean(metrics[0], metrics) == pytest.approx(measured.sums[:, 0].mean())


def test_a_catalogue_gives_item_features_to_the_models_that_want_them() -> None:
    market = a_market(users=60)
    kinds = {"kind": [f"kind {n % 4}" for n in range(market.n_items)]}
    catalog = pc.Catalog(market.vocab, [None] * market.n_items, kinds)
    found = pc.evaluate(market, ["content-knn", "popular"], split="leave-last", catalog=catalog)
    assert found["content-knn"].error is None, "it got the attributes"
    assert found["content-knn"].metrics["ndcg@10"].mean > found["popular"].metrics["ndcg@10"].mean  # type: ignore[operator]
    splits = make_splits(market, "leave-last")
    assert pc.evaluate(splits, "content-knn", catalog=catalog).models[0].error is None
    with pytest.raises(TypeError, match="features"):
        pc.evaluate(market, "content-knn", features=catalog.features())  # type: ignore[call-arg]


def test_a_catalogue_of_other_items_is_refused() -> None:
    market = a_market(users=60)
    ids = market.vocab.ids
    other = pc.Catalog(Vocab([*ids[1:], ids[0]]), [None] * len(ids), {"kind": ["a"] * len(ids)})
    short = pc.Catalog(Vocab(ids[1:]), [None] * (len(ids) - 1), {"kind": ["a"] * (len(ids) - 1)})
    for call in (pc.evaluate, pc.tune, pc.fit):
        with pytest.raises(DataError, match="different items"):
            call(market, "content-knn", catalog=other)  # type: ignore[operator]
    with pytest.raises(DataError, match="the catalogue has 39 items, the split 40"):
        pc.evaluate(make_splits(market, "leave-last"), "content-knn", catalog=short)
    with pytest.raises(ParameterError, match="catalog takes a Catalog, not dict"):
        pc.evaluate(market, "content-knn", catalog={"kind": []})  # type: ignore[arg-type]


def test_a_model_with_nan_scores_ends_with_an_error_that_names_the_case() -> None:
    market = a_market(users=60)
    with pytest.raises(ScoreError, match=r"^broken: its scores of history 0 "):
        pc.evaluate(market, Broken(), split="leave-last")
    found = pc.evaluate(market, [Broken(), "popular"], split="leave-last")
    assert "not numbers (NaN)" in (found["broken"].error or "") and found["popular"].error is None
    rec = pc.fit(market, Broken())
    with pytest.raises(ScoreError, match="broken"):
        rec.recommend(["i1", "i2"])
    rated = a_log([[0, 1, 2, 3]] * 20, values=[[1, 3, 5, 2]] * 20, values_are="rating")
    with pytest.raises(ScoreError, match=r"^broken: its predictions of history 0 "):
        pc.evaluate(rated, Broken(), split="random:2", metrics="rmse")


def test_the_row_of_an_error_counts_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.evaluation.measure.CASES_AT_ONCE", 4)
    given = Histories.from_lists([[1]] * 10 + [[7]], 9)
    split = Split("mine", given, given, Histories.from_lists([[2]] * 11, 9))
    with pytest.raises(ScoreError, match="history 10 "):
        pc.evaluate(split, Broken(at=7))


@pytest.mark.parametrize("split", ["leave-last", "random:5", "users:.3"])
def test_a_rating_that_is_given_is_not_predicted_for_rmse(split: str) -> None:
    """Random ratings, each written twice: what may be looked up is left out, so nothing gets below their spread."""
    rng = np.random.default_rng(0)
    rows = [rng.permutation(60)[:20].tolist() for _ in range(150)]
    values = [rng.integers(1, 6, 20).tolist() for _ in rows]
    order = [rng.permutation(40) for _ in rows]
    twice = a_log(
        [[(row + row)[n] for n in of] for row, of in zip(rows, order, strict=True)],
        values=[[(row + row)[n] for n in of] for row, of in zip(values, order, strict=True)],
        times=[list(range(40)) for _ in rows], values_are="rating",
    )  # fmt: skip
    found = pc.evaluate(twice, ["slope-one", "item-knn"], split=split, metrics="rmse", seed=1)
    for model in found.models:
        error = model.metrics["rmse"].mean
        if split == "leave-last":  # the last one is always the second of its pair
            assert error is None
        else:
            assert error is not None and error > 1.3, f"{model.label}: the ratings have a spread of 1.41"
    assert any("rmse and mae omit them" in note for note in found.notes)
    assert any("3,000 pairs of user and item are rated more than once" in note for note in found.notes)


def test_copies_are_mentioned_by_evaluate_and_fit_and_visits_are_not() -> None:
    rows = [[0, 1, 1, 2, 3], [3, 2, 1, 0, 0]] * 20
    visits = a_log(rows, times=[[0, 1, 2, 3, 4]] * 40)
    assert not any("repeat another" in note for note in pc.evaluate(visits, "popular", split="leave-last").notes)
    copies = a_log(rows, times=[[0, 1, 1, 3, 4], [0, 1, 2, 4, 4]] * 20)
    said = "40 rows repeat another one (the same user, item, time): remove them if they are copies"
    assert said in pc.evaluate(copies, "popular", split="leave-last").notes
    assert said in pc.fit(copies, "popular").fitted_on["notes"]
    assert not pc.fit(visits, "popular").fitted_on["notes"]


def test_compiling_is_no_cost_of_a_model_and_has_a_column_of_its_own() -> None:
    found = pc.evaluate(a_market(users=60), [CompilesFirst(), "popular"], split="leave-last")
    one = found["compiles-first"]
    assert one.compile_seconds > 0.02 and one.to_json()["compile_seconds"] == round(one.compile_seconds, 4)
    assert one.fit_seconds < one.compile_seconds, "a fit of nothing but compiling"
    slow = replace(found, models=[replace(one, compile_seconds=33.0), found["popular"]])
    assert "compiling s" in str(slow) and "33.0" in str(slow)
    quick = replace(found, models=[replace(one, compile_seconds=0.1)])
    assert "compiling s" not in str(quick)
