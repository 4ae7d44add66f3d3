"""The trainings on the page Models: from what, compared with what, why live or not; the chart; the stale model."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from penchant.serve.pages.trainings import HEIGHT, WIDTH, history, stale, told
from penchant.store.lease import Lease
from penchant.store.trainings import Training, Trainings
from tests.serve.conftest import Client, Make


def training(
    number: int, outcome: str = "activated", *, at: int | None = None, mean: float = 0.2, **changed: Any
) -> Training:
    value = {"mean": mean, "low": mean - 0.05, "high": mean + 0.05}
    document = {
        "why": f"reason {number}", "metric": "ndcg@10", "compared_with": "knn", "winner": "als",
        "checks": [{"setting": "max_size", "passed": outcome != "refused", "what": "the <b>size</b>"}],
        "models": [
            {"label": "item-knn", "model": "item-knn", "reference": True, "value": value, "difference": value},
            {"label": "als", "model": "als", "reference": False, "value": value, "difference": value},
            {"label": "ease", "model": "ease", "reference": False, "error": "not tried: no time"},
        ],
        "data": {
            "events": 1234567, "histories": 5000, "items": 300, "from": "2024-01-01T00:00:00+00:00",
            "to": "2024-05-01T00:00:00+00:00", "held_out_from": "2024-04-20T10:30:00+00:00", "used_cases": 1500,
        },
    }  # fmt: skip
    moment = 1_700_000_000 + 86_400 * number if at is None else at
    return Training(number, moment, f"night-{number}", outcome, "k", "d", "{}", {**document, **changed})


def page_of(client: Client, *trainings: Training) -> str:
    """The page Models after these trainings, oldest first."""
    store = client.service.store
    with Lease(store, "train") as lease:
        for one in trainings:
            Trainings(store).note(one, "v", lease)
    answer = client.get("/ui/models")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.text)


def test_each_training_says_what_when_and_why(make: Make, models: Path, tmp_path: Path) -> None:
    own = shutil.copytree(models, tmp_path / "own")
    client = make(folder=str(own))
    assert "Trainings" not in client.get("/ui/models").text
    page = page_of(client, training(1), training(2, "refused"), training(3, "cannot tell", winner=None))
    for said in ("1,234,567 events", "5,000 histories", "300 items", "2024-01-01 to 2024-05-01", "reason 1.",
                 "compared with <bdi>knn</bdi>", "1,500 cases from 2024-04-20 10:30", "not tried: no time",
                 "went live", "refused", "cannot tell", "0.2000", "the &lt;b&gt;size&lt;/b&gt;",
                 "2023-11-15 22:13"):  # fmt: skip
        assert said in page, said
    assert page.index("night-3") < page.index("night-2") < page.index("night-1")
    assert page.count('<span class="badge bad">refused</span>') == 1
    assert page.count('<span class="badge bad">max_size</span>') == 1
    assert page.count('<circle class="dot') == 2  # without a winner there is no point


def test_the_chart_is_over_time_and_inside_its_frame() -> None:
    newest_first = [training(9, mean=0.4), training(3, "refused", mean=0.1), training(1, mean=0.2)]
    chart = history(newest_first)
    assert chart is not None
    xs, ys = ([dot[axis] for dot in chart["dots"]] for axis in ("x", "y"))
    assert xs == sorted(xs)
    assert xs[1] - xs[0] == pytest.approx((xs[2] - xs[0]) / 4, abs=0.2)  # two of eight days
    assert ys[1] > ys[0] > ys[2]  # higher values stand higher
    assert all(0 <= x <= WIDTH for x in xs)
    assert all(0 <= dot["high"] <= dot["y"] <= dot["low"] <= HEIGHT for dot in chart["dots"])
    assert [dot["good"] for dot in chart["dots"]] == [True, False, True]
    assert chart["top"] == 0.5


def test_a_clock_that_goes_back_and_equal_times_do_no_harm() -> None:
    chart = history([training(1, at=5), training(2, at=9), training(3, at=9)])
    assert chart is not None
    assert all(0 <= dot["x"] <= WIDTH for dot in chart["dots"])
    assert history([training(1, at=5), training(2, at=5)]) is not None


def test_one_metric_at_a_time_and_no_chart_of_one_point() -> None:
    assert history([]) is None
    assert history([training(1)]) is None
    assert history([training(2, metric="rmse"), training(1)]) is None
    chart = history([training(3), training(2, metric="rmse"), training(1)])
    assert chart is not None
    assert len(chart["dots"]) == 2


@pytest.mark.parametrize("broken", [{}, {"models": 1}, {"data": None}, {"checks": [{}]}])
def test_a_document_of_another_version_is_left_out(broken: dict[str, Any]) -> None:
    odd = training(1)._replace(document=broken if not broken else {**training(1).document, **broken})
    assert told([odd, training(2)])[0]["name"] == "night-2"
    assert history([odd, training(2)]) is None


def test_a_model_is_stale_from_its_limit_on() -> None:
    created, day = "2024-01-01T00:00:00+00:00", 86_400
    start = 1_704_067_200
    assert stale(created, 14 * day, start + 14 * day) == 14
    assert stale(created, 14 * day, start + 14 * day - 1) is None
    assert stale(created, None, start + 400 * day) is None
    assert stale("nonsense", day) is stale(None, day) is None


def test_the_alarm_is_on_the_page(make: Make, models: Path) -> None:
    client = make(folder=str(models))
    assert "counts as stale" not in client.get("/ui/models").text
    old = make(folder=str(models), stale_after="1s")
    until = time.monotonic() + 5
    while "counts as stale" not in old.get("/ui/models").text and time.monotonic() < until:
        time.sleep(0.2)
    assert 'role="alert">The active model is 0 days old' in old.get("/ui/models").text
