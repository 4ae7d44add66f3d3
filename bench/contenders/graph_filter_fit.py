"""The whole fit of the graph filter on gowalla, with the parameters chosen for that set."""

from __future__ import annotations

import json
import time
from pathlib import Path

from bench.contenders import _gowalla
from bench.duel import Goal, Numbers, Question, Side


def prepare(folder: Path) -> None:
    """Write the data and the committed parameters."""
    from bench.accuracy import Entry

    _gowalla.write(folder)
    (folder / "params.json").write_text(json.dumps(Entry("gowalla", "graph-filter", 0).choice()["params"]))


def ours(folder: Path) -> Numbers:
    """Time the second fit; a small first one loads the compiled kernels."""
    from penchant import GraphFilter

    model = GraphFilter(**json.loads((folder / "params.json").read_text()))
    train = _gowalla.histories(folder)
    model.fit(train[:300])
    start = time.perf_counter()
    model.fit(train)
    return {"seconds": time.perf_counter() - start, "rank": model.rank}


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: half a minute."""
    return [Goal("seconds of the whole fit", mine["seconds"], 30.0, at_least=False)]


QUESTION = Question(
    title="Fitting graph-filter on gowalla, whole, with its committed parameters",
    how="pairs, frequencies and operator; second fit in a fresh process, all cores",
    prepare=prepare,
    judge=judge,
    rounds=3,
)
