"""The training loop: what it reports, when it stops, and that a broken run goes on as if nothing had been."""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.histories import Histories
from penchant.core.item_features import ItemFeatures
from penchant.core.run import Run
from penchant.core.split import Split
from penchant.errors import DataError, FormatError, TrainingError
from penchant.models.neural.training import checkpoints, loop, optimisers
from penchant.models.neural.training.allocation import kept_memory
from tests.models.neural.small_logs_of_walks import ITEMS, ONE, small, walks

HERE = Path(__file__).parents[3]
CHILD = """
import sys
from tests.models.neural.small_logs_of_walks import small, walks
from penchant.core.run import Run
def told(record):
    print(record["epoch"], flush=True)
    if record["epoch"] == int(sys.argv[2]):
        import time; time.sleep(60)
small("sasrec", epochs=8, optimiser=sys.argv[3]).fit(walks(), run=Run(threads=1, checkpoints=sys.argv[1], watch=told))
"""


@pytest.mark.parametrize("optimiser", ["adam", "momentum"])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, optimiser):
    command = [sys.executable, "-c", CHILD, str(tmp_path), "5", optimiser]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip() == "5":
                break
        child.send_signal(signal.SIGKILL)
    assert (tmp_path / checkpoints.CHECKPOINT).exists()
    seen = []
    resumed = small("sasrec", epochs=8, optimiser=optimiser)
    resumed.fit(
        walks(), run=Run(threads=1, checkpoints=str(tmp_path), resume=True, watch=lambda r: seen.append(r["epoch"]))
    )
    assert seen == [5, 6, 7, 8]  # the fifth was told, but not yet written down
    whole = small("sasrec", epochs=8, optimiser=optimiser).fit(walks(), run=ONE)
    np.testing.assert_array_equal(resumed.item_vectors, whole.item_vectors)
    assert resumed.assets == whole.assets


DYING = """
import os, signal, sys
import safetensors.numpy
from tests.models.neural.small_logs_of_walks import small, walks
from penchant.core.run import Run
from penchant.models.neural.training import loop
calls, save, factor = [], safetensors.numpy.save_file, loop.optimisers.factor
def die():
    calls.append(1)
    if len(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
def half(arrays, path, metadata):
    save(arrays, path, metadata)
    whole = open(path, "rb").read()
    open(path, "wb").write(whole[: len(whole) // 2])
    die()
    open(path, "wb").write(whole)
def step(*args, **options):
    die()
    return factor(*args, **options)
if sys.argv[2] == "writing":
    safetensors.numpy.save_file = half
else:
    loop.optimisers.factor = step
small("sasrec", epochs=5).fit(walks(), run=Run(threads=1, checkpoints=sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("moment", "nth", "left"), [("writing", 1, 1), ("writing", 4, 4), ("stepping", 2, 1), ("stepping", 14, 4)]
)
def test_killed_in_the_middle_of_a_step_or_of_a_write(tmp_path, moment, nth, left):
    """What stands in the folder is whole at every moment: the passes that were written down are not done again."""
    died = subprocess.run([sys.executable, "-c", DYING, str(tmp_path), moment, str(nth)], cwd=HERE, check=False)
    assert died.returncode == -signal.SIGKILL
    seen = []
    run = Run(threads=1, checkpoints=str(tmp_path), resume=True, watch=lambda record: seen.append(record["epoch"]))
    resumed = small("sasrec", epochs=5).fit(walks(), run=run)
    assert seen == list(range(left, 6))
    whole = small("sasrec", epochs=5).fit(walks(), run=ONE)
    np.testing.assert_array_equal(resumed.item_vectors, whole.item_vectors)
    assert resumed.assets == whole.assets and [r["loss"] for r in resumed.history] == [r["loss"] for r in whole.history]
    assert [path.name for path in tmp_path.iterdir()] == [checkpoints.CHECKPOINT], "nothing is left of the broken one"


def test_a_checkpoint_of_something_else_or_a_damaged_one_is_refused(tmp_path):
    run = Run(threads=1, checkpoints=str(tmp_path), resume=True)
    small("sasrec").fit(walks(), run=run)
    for other, log in (
        (small("sasrec", rate=0.02), walks()),
        (small("gru4rec"), walks()),
        (small("sasrec"), walks(seed=1)),
    ):
        with pytest.raises(DataError, match="another"):
            other.fit(log, run=run)
    path = tmp_path / checkpoints.CHECKPOINT
    whole = path.read_bytes()
    for share in (0.5, 0.9):
        at = int(share * len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(FormatError, match=r"damaged.*checksum"):
            small("sasrec").fit(walks(), run=run)
    path.write_bytes(whole[:-7])
    with pytest.raises(FormatError, match="damaged"):
        small("sasrec").fit(walks(), run=run)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match="damaged"):
        small("sasrec").fit(walks(), run=run)


def test_a_checkpoint_may_hold_weights_of_no_size(tmp_path):
    run = Run(threads=1, checkpoints=str(tmp_path), resume=True)
    alone = ItemFeatures.from_columns(
        ITEMS, {"kind": [f"only {n}" for n in range(ITEMS)]}
    )  # nothing that two items share
    model = small("sasrec", attributes=True).fit(walks(), run=run, features=alone)
    assert model.attribute_vectors.shape[0] == 0
    again = small("sasrec", attributes=True).fit(walks(), run=run, features=alone)
    assert np.array_equal(again.item_vectors, model.item_vectors)


def test_a_checkpoint_is_not_written_over_unless_it_is_gone_on_from(tmp_path):
    run = Run(threads=1, checkpoints=str(tmp_path))
    model = small("sasrec").fit(walks(), run=run)
    before = (tmp_path / checkpoints.CHECKPOINT).read_bytes()
    with pytest.raises(DataError, match="already a checkpoint"):
        small("sasrec", rate=0.02).fit(walks(), run=run)
    assert (tmp_path / checkpoints.CHECKPOINT).read_bytes() == before
    elsewhere = replace(run, checkpoints=str(tmp_path / "other"), resume=True)
    again = small("sasrec").fit(walks(), run=elsewhere)
    assert "no checkpoint" in again.notes[0]
    assert np.array_equal(again.item_vectors, model.item_vectors)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    import safetensors.numpy

    save, calls = safetensors.numpy.save_file, []

    def full(arrays, path, metadata):
        calls.append(path)
        save(arrays, path, metadata)
        if len(calls) == 2:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    with pytest.raises(TrainingError, match="No space left"):
        small("sasrec").fit(walks(), run=Run(threads=1, checkpoints=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == [checkpoints.CHECKPOINT]
    small("sasrec").fit(walks(), run=Run(threads=1, checkpoints=str(tmp_path), resume=True))


def test_a_loss_that_is_no_number_says_where_and_what_to_do(tmp_path):
    run = Run(threads=1, checkpoints=str(tmp_path))
    with pytest.raises(TrainingError, match=r"not a number in step \d+ of pass \d+.*rate") as told:
        small("history-mlp", rate=1e30, clip=None, optimiser="sgd", epochs=9).fit(walks(), run=run)
    assert "last good" in str(told.value) or "pass 1:" in str(told.value)


def test_after_a_loss_that_is_no_number_the_last_good_checkpoint_is_there(tmp_path, monkeypatch):
    from penchant.models.neural.sasrec import SASRec

    real, epochs = SASRec.step_loss, []

    def broken(self, weights, step):
        loss, events = real(self, weights, step)
        return (loss * float("nan") if len(epochs) == 2 else loss), events

    monkeypatch.setattr(SASRec, "step_loss", broken)
    run = Run(threads=1, checkpoints=str(tmp_path), watch=lambda record: epochs.append(record["epoch"]))
    with pytest.raises(TrainingError, match=r"step 1 of pass 3: .*The last good weights are in") as told:
        small("sasrec", epochs=5).fit(walks(), run=run)
    assert str(tmp_path) in str(told.value)
    monkeypatch.setattr(SASRec, "step_loss", real)
    resumed = small("sasrec", epochs=5).fit(walks(), run=Run(threads=1, checkpoints=str(tmp_path), resume=True))
    whole = small("sasrec", epochs=5).fit(walks(), run=ONE)
    np.testing.assert_array_equal(resumed.item_vectors, whole.item_vectors)


def test_the_log_has_a_line_a_pass(tmp_path):
    told: list[dict] = []
    stages: list[tuple] = []
    run = Run(threads=1, log=str(tmp_path / "log.jsonl"), watch=told.append, progress=lambda *said: stages.append(said))
    model = small("sasrec", patience=9).fit(walks(), run=run)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(line["loss"] > 0 and 0 <= line["ndcg@10"] <= 1 and line["events_per_second"] > 0 for line in lines)
    assert told == model.history
    assert all(isinstance(value, (int, float)) for record in told for value in record.values()), "as trackers take them"
    assert [done for _, done, total in stages] == [1, 2, 3]
    assert "ndcg@10" in stages[0][0]


def test_it_stops_when_nothing_gets_better_and_keeps_the_best():
    log = walks(80, seed=3)
    model = small("sasrec", epochs=30, patience=3, rate=0.03).fit(log, run=ONE)
    metric = [record["ndcg@10"] for record in model.history]
    assert len(metric) < 30
    assert len(metric) - 3 == 1 + int(np.argmax(metric))
    best = small("sasrec", epochs=int(np.argmax(metric)) + 1, patience=99, rate=0.03).fit(log, run=ONE)
    np.testing.assert_array_equal(model.item_vectors, best.item_vectors)


def test_a_long_training_looks_at_the_metric_now_and_then_and_after_its_last_pass(monkeypatch):
    monkeypatch.setattr(loop, "LOOKS", 3)
    model = small("sasrec", epochs=8, patience=9).fit(walks(), run=ONE)
    assert [record["epoch"] for record in model.history if "ndcg@10" in record] == [3, 6, 8]
    still = small("sasrec", epochs=8, patience=1, rate=1e-9).fit(walks(), run=ONE)  # nothing changes
    assert len(still.history) == 6  # it is only known to have come to a halt after the second look


def test_validation_cases_that_are_handed_in_are_the_ones_looked_at():
    log = walks(70)
    given, truth = Histories.from_lists([[2, 4], [5]], ITEMS), Histories.from_lists([[6], [7]], ITEMS)
    model = small("sasrec", epochs=30, patience=20, rate=0.03).fit(log, valid=Split("x", log, given, truth), run=ONE)
    assert max(record["ndcg@10"] for record in model.history) > 0.9
    nothing = Histories.from_lists([[], []], ITEMS)
    with pytest.raises(DataError, match="validation part has no true item"):
        small("sasrec", patience=2).fit(log, valid=Split("x", log, given, nothing), run=ONE)


@pytest.mark.parametrize("name", optimisers.NAMES)
def test_every_optimiser_lowers_the_loss(name):
    rate = {"sgd": 0.5, "gd": 0.5, "momentum": 0.1, "adagrad": 0.05}.get(name, 0.01)
    model = small("history-mlp", optimiser=name, rate=rate, epochs=8, hidden=16, dropout=0.0).fit(walks(), run=ONE)
    losses = [record["loss"] for record in model.history]
    assert losses[-1] < losses[0] - 0.01


def test_gradient_descent_takes_one_step_a_pass_on_the_gradient_of_everything():
    """However the pass is cut into batches, the weights are the same."""
    one, many = (
        small(
            "history-mlp", optimiser="gd", rate=0.3, hidden=8, dropout=0.0, batch=batch, clip=None, precision="float32"
        ).fit(walks(), run=ONE)
        for batch in (40, 10**6)
    )
    np.testing.assert_allclose(one.item_vectors, many.item_vectors, rtol=1e-3, atol=1e-6)


def test_while_training_freed_memory_stays():
    with kept_memory():
        if platform.libc_ver()[0] != "glibc":
            return  # nothing is promised of other systems

        import resource

        def new_pages() -> int:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(4):
                torch.ones(6 * 2**20)  # one after the other
                [torch.ones(6 * 2**20) for _ in range(4)]  # and 96 MiB at once
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        new_pages()
        assert new_pages() < 1000  # otherwise, four times 96 MiB by pages of 4 KiB


@pytest.mark.parametrize("batch", [1, 37, 10**6])
def test_steps_over_histories_hold_each_once_and_equally_many(batch):
    model = small("mult-vae", batch=batch)
    model.prepare(walks(60))
    steps = model.pass_steps(np.random.default_rng(0))
    sizes = {len(step) for step in steps}
    assert 0 not in sizes and max(sizes) - min(sizes) <= 1
    assert sorted(np.concatenate(steps).tolist()) == list(range(60))
    assert len(steps) == {1: 60, 37: round(len(walks(60).items) / 37), 10**6: 1}[batch]
