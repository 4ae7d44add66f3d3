"""The audit finds what leaks, and nothing where there is nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

import penchant as pc
from penchant.core.histories import Histories
from penchant.data.catalog import Catalog
from penchant.data.interactions import Interactions
from penchant.errors import DataError, ParameterError
from penchant.models.registry import parse
from penchant.privacy.accounting import Promise
from penchant.privacy.audit import audit
from penchant.privacy.audit_attack import canary_guesses, joined, left_out, rare_pairs
from penchant.privacy.audit_numbers import clopper_pearson, epsilon_at_least, holm, judged
from penchant.privacy.audit_report import html, said
from penchant.privacy.mechanism.fit import fit_private
from tests.cli.conftest import run  # noqa: F401  # the fixture that runs a command
from tests.privacy.logs import frame, log


@pytest.fixture(scope="module")
def halves() -> tuple[Interactions, Interactions]:
    """People who are in training, and people like them who are not."""
    import polars as pl

    both = frame(people=600, items=60, events=6)
    inside = pl.col("user").str.slice(1).cast(pl.Int64) < 300
    return pc.read_interactions(both.filter(inside)), pc.read_interactions(both.filter(~inside))


@pytest.mark.parametrize("model", ["user-knn:neighbourhood=1", "ease:reg=1e-3,dropout=0"])
def test_a_model_that_is_made_leaky_is_found_out(halves, model):
    members, others = halves
    found = audit(pc.fit(members, model), members, others, shadows=4, canaries=0)
    assert max(one.auc for one in found.attacks) >= 0.70
    assert "It leaks" in said(found)[0]
    assert [one.name for one in found.attacks] == ["score", "likelihood ratio"]


def test_a_private_model_is_near_chance_and_its_claim_holds(halves):
    members, others = halves
    catalog = Catalog(members.vocab, list(members.vocab.ids))
    rec = fit_private(members, "ease", Promise(2.0, 1e-6), catalog=catalog)
    found = audit(rec, members, others, shadows=2, canaries=8)
    assert all(0.40 < one.auc < 0.60 for one in found.attacks)
    assert found.canaries["epsilon_at_least"] <= 2.0
    assert found.canaries["chance_of_claim"] > 0.01
    assert found.claim is not None
    assert "Claimed: epsilon 2" in " ".join(said(found))


def test_planted_pairs_are_seen_in_a_model_that_learns_them_by_heart():
    people = log(people=300, items=80).histories()

    def by_heart(histories: Histories):
        return parse("ease:reg=1e-3,dropout=0").fit(histories)

    right, guesses, seen = canary_guesses(by_heart, people, canaries=36, seed=0)
    assert guesses == 18
    assert right >= 16
    assert seen >= 5
    assert epsilon_at_least(right, guesses, 0.05) > 0.5


def test_planted_pairs_are_nobodys():
    people = log(people=100, items=40).histories()
    pairs = rare_pairs(people, 15, np.random.default_rng(0))
    assert len(np.unique(pairs)) == 30
    rows = [set(people.row(r).tolist()) for r in range(len(people))]
    assert not any({first, second} <= row for first, second in pairs.tolist() for row in rows)
    everything = Histories.from_lists([[0, 1, 2, 3], [0, 1], [0, 2], [1, 3]], 4)
    assert {frozenset(pair) for pair in rare_pairs(everything, 2, np.random.default_rng(0)).tolist()} <= {
        frozenset({0, 3}), frozenset({1, 2}),
    }  # fmt: skip
    with pytest.raises(DataError, match="plant fewer"):
        rare_pairs(people, 30, np.random.default_rng(0))


def test_events_are_left_out_one_at_a_time():
    given = Histories.from_lists([[0, 1, 2], [3], [4, 5]], 6)
    short, person, missing = left_out(given, seed=0)
    assert sorted(zip(person.tolist(), missing.tolist(), strict=True)) == [(0, 0), (0, 1), (0, 2), (2, 4), (2, 5)]
    for row, (who, what) in enumerate(zip(person.tolist(), missing.tolist(), strict=True)):
        assert short.row(row).tolist() == [item for item in given.row(who).tolist() if item != what]
    assert [r.tolist() for r in (joined(given, given).row(3), joined(given, given).row(5))] == [[0, 1, 2], [4, 5]]


def test_the_numbers_are_those_of_their_definitions():
    rng = np.random.default_rng(0)
    members, others = rng.normal(1, 1, 400).round(1), rng.normal(0, 1, 300).round(1)
    one = judged("x", members, others)
    above = (members[:, None] > others).mean() + (members[:, None] == others).mean() / 2
    assert one.auc == pytest.approx(above)
    assert one.auc_low < above < one.auc_high
    assert (one.curve[0], one.curve[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert 0.45 < judged("same", others, others).auc < 0.55
    low, high = clopper_pearson(8, 10, 0.05)
    assert binom.sf(7, 10, low) == pytest.approx(0.025)
    assert binom.cdf(8, 10, high) == pytest.approx(0.025)
    assert (clopper_pearson(0, 5, 0.05)[0], clopper_pearson(5, 5, 0.05)[1]) == (0.0, 1.0)


def test_a_bound_on_epsilon_is_wrong_seldom_enough():
    rng, epsilon = np.random.default_rng(0), 1.0
    share = 1 / (1 + math.exp(-epsilon))
    bounds = [epsilon_at_least(int(right), 200, 0.05) for right in rng.binomial(200, share, 2000)]
    assert np.mean(np.array(bounds) > epsilon) < 0.065
    assert max(bounds) > epsilon  # it is not vacuous
    assert epsilon_at_least(100, 200, 0.05) == 0
    assert epsilon_at_least(190, 200, 0.05, delta=1e-3) == 0
    assert epsilon_at_least(0, 0, 0.05) == 0


def test_claims_that_are_tested_together_need_stronger_evidence():
    assert holm({"a": 0.001, "b": 0.02, "c": 0.04}) == {"a": True, "b": True, "c": True}
    assert holm({"a": 0.001, "b": 0.03, "c": 0.04}) == {"a": True, "b": False, "c": False}


def test_a_report_is_printed_as_json_and_as_a_page(run, halves, tmp_path: Path):  # noqa: F811
    both = frame(people=240, items=60, events=6)
    both.head(120 * 6).write_csv(tmp_path / "in.csv")
    both.tail(120 * 6).write_csv(tmp_path / "out.csv")
    assert run("fit", tmp_path / "in.csv", "-m", "ease:reg=0.001,dropout=0", "-o", tmp_path / "m").code == 0
    command = ("privacy", "audit", tmp_path / "m", "--members", tmp_path / "in.csv", "--others", tmp_path / "out.csv")
    done = run(*command, "--shadows", 0, "--canaries", 4, "--html", tmp_path / "a.html", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["attacks"][0]["members"] == 120
    assert document["canaries"]["planted"] == 4
    page = (tmp_path / "a.html").read_text()
    assert "<svg" in page
    assert "Audit of ease" in page
    assert "<script" not in page
    assert "No promise is claimed" in run(*command, "--shadows", 0, "--canaries", 0).out
    same = run("privacy", "audit", tmp_path / "m", "--members", tmp_path / "in.csv", "--others", tmp_path / "in.csv")
    assert (same.code, "are in both logs" in same.err) == (2, True)


@pytest.mark.parametrize(
    ("change", "error", "about"),
    [({"shadows": 3}, ParameterError, "even"), ({"canaries": -1}, ParameterError, "canaries must be at least 0")],
)
def test_settings_of_an_audit_are_checked(halves, change, error, about):
    with pytest.raises(error, match=about):
        audit(pc.fit(halves[0], "popular"), *halves, **change)


def test_an_audit_needs_enough_people_and_a_model_of_its_own(halves):
    members, others = halves
    with pytest.raises(DataError, match="at least 50 members"):
        audit(pc.fit(members, "popular"), log(people=8, items=60), others.where(others.users < 20))
    blend = pc.fit(members, "blend:members=popular+item-knn")
    with pytest.raises(ParameterError, match="audit each of them"):
        audit(blend, members, others)


def test_the_report_escapes_names(halves):
    members, others = halves
    found = audit(pc.fit(members, "popular"), members, others, shadows=0, canaries=0)
    found.model["model"] = "<b>"
    assert "<b>" not in html(found)
