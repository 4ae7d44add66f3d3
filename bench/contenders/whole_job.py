"""From a log of 20 million events to saved neighbours and 20-item lists for everybody on disk, as whole processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench import older
from bench.contenders import _logs
from bench.contenders._whole_job import LENGTH, NEIGHBOURS
from bench.duel import Goal, Numbers, Question, Side
from bench.peers import ROOT

OLD = "04e943e"  # before large logs were read by kernels
ENDINGS = ("parquet", "csv")
BUILDS = "", ", older build"
BEFORE = "older.json"  # the numbers of the older build, which is measured in the first round of a run only
MODEL = (
    f"item-knn:neighbours={NEIGHBOURS},user_exponent=0,history_exponent=0.5,candidate_exponent=0.5,shrink=0,"
    "half_life=none,max_history=none"
)
OLD_MODEL = MODEL.replace("none", "0")  # what it called no half-life and no limit
TIE = 1e-4  # scores of one list that differ by less, relatively, may change places
MOST_MIB = 1536
PENCHANT = [sys.executable, "-c", "from penchant.cli.main import run; run()"]
READ = """
import json, sys, time
import penchant
try:
    import penchant.data.reading.assemble
except ModuleNotFoundError:
    pass  # an older build, of which nothing but the whole is asked
from bench.machine import peak_mib
DETECTING = {"open_log", "row_roles", "settle_dates", "guess_values", "unit_of"}
spent = dict.fromkeys(DETECTING, 0.0)
def timed(name, function):
    def call(*given, **named):
        start = time.perf_counter()
        try:
            return function(*given, **named)
        finally:
            spent[name] += time.perf_counter() - start
    return call
for module in [module for name, module in sys.modules.items() if name.startswith("penchant.data.reading.")]:
    for name in DETECTING & vars(module).keys():
        setattr(module, name, timed(name, getattr(module, name)))
start, cpu = time.perf_counter(), time.process_time()
histories = penchant.read_interactions(sys.argv[1]).histories()
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mib": peak_mib(), "detecting": sum(spent.values()),
                  "events": len(histories.items)}))
"""


def prepare(folder: Path) -> None:
    """Write the log in the order of time, with ratings (``rated``) and without, and get the older build."""
    import polars as pl

    older.source(OLD)
    (folder / BEFORE).unlink(missing_ok=True)
    if (folder / "rated.csv").exists():
        return
    pairs, n_items = _logs.synthetic()
    rng = np.random.default_rng(1)
    pairs = rng.permutation(pairs)
    log = pl.DataFrame({
        "userId": (pairs // n_items + 1).astype(np.int32),
        "movieId": (pairs % n_items + 1).astype(np.int32),
        "rating": rng.integers(1, 11, len(pairs)) / 2,
        "timestamp": np.sort(rng.integers(800_000_000, 1_500_000_000, len(pairs))),
    })  # fmt: skip
    for name, table in (("log", log.drop("rating")), ("rated", log)):
        table.write_parquet(folder / f"{name}.parquet", compression="zstd")
        table.write_csv(folder / f".{name}.csv")
        (folder / f".{name}.csv").rename(folder / f"{name}.csv")


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> dict[str, float]:
    """Run a whole process: seconds, processor seconds, peak MiB."""
    start = time.perf_counter()
    child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command[-1]} ended with {child.returncode}")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}


def two_commands(log: Path, folder: Path, env: Mapping[str, str], model: str = MODEL) -> dict[str, float]:
    """``fit``, then ``recommend --all``: their sum, and the larger peak."""
    shutil.rmtree(folder / "two", ignore_errors=True)
    lists = folder / "two.parquet"
    lists.unlink(missing_ok=True)
    first = run([*PENCHANT, "fit", str(log), "-m", model, "-o", str(folder / "two")], env)
    ranking = ["recommend", str(folder / "two"), "--all", "-k", str(LENGTH), "--log", str(log), "-o", str(lists)]
    second = run([*PENCHANT, *ranking], env)
    return {key: max(first[key], second[key]) if key == "peak_mib" else first[key] + second[key] for key in first}


def one_command(log: Path, folder: Path) -> dict[str, float]:
    """``fit --lists``."""
    shutil.rmtree(folder / "one", ignore_errors=True)
    lists = folder / "one.parquet"
    lists.unlink(missing_ok=True)
    fit = ["fit", str(log), "-m", MODEL, "-o", str(folder / "one"), "--lists", str(lists), "-k", str(LENGTH)]
    return run([*PENCHANT, *fit])


def reading(log: Path, env: Mapping[str, str]) -> dict[str, float]:
    """From a file to histories, within the process."""
    done = subprocess.run([sys.executable, "-c", READ, str(log)], cwd=ROOT, env=env, check=True, capture_output=True)
    numbers: dict[str, float] = json.loads(done.stdout)
    return numbers


def ours(folder: Path) -> Numbers:
    """The new build: one command and two, from both files, and reading; in the first round also the older build."""
    new = older.environment(ROOT / "src")
    if not (folder / BEFORE).exists():
        _warm(folder, new, MODEL)
        (folder / BEFORE).write_text(json.dumps(_before(folder)))
    numbers: Numbers = {"seconds": 0.0} | json.loads((folder / BEFORE).read_text())
    for ending in ENDINGS:
        log = folder / f"log.{ending}"
        numbers |= _noted(f"{ending}, one command", one_command(log, folder))
        numbers |= _noted(f"{ending}, two commands", two_commands(log, folder, new))
        numbers["seconds"] += numbers[f"{ending}, one command: seconds"]
        numbers |= _lists(folder / "one.parquet", ending)
        numbers |= _noted(f"reading {ending}", reading(folder / f"rated.{ending}", new))
        if not numbers[f"reading {ending}: detecting"]:
            raise RuntimeError("the functions that detect types and dates have other names now")
    return numbers


def _before(folder: Path) -> Numbers:
    """The older build: two commands, and reading, from both files."""
    old, numbers = older.environment(older.source(OLD)), Numbers()
    _warm(folder, old, OLD_MODEL)
    for ending in ENDINGS:
        numbers |= _noted(f"{ending}, older build", two_commands(folder / f"log.{ending}", folder, old, OLD_MODEL))
        numbers |= _noted(f"reading {ending}, older build", reading(folder / f"rated.{ending}", old))
    return numbers


def _noted(what: str, found: Mapping[str, float]) -> Numbers:
    return {f"{what}: {key}": value for key, value in found.items()}


def _warm(folder: Path, env: Mapping[str, str], model: str) -> None:
    """Compile the kernels of a build, which happens once on a machine."""
    rng = np.random.default_rng(0)
    rows = np.stack(
        [rng.integers(1, 3000, 400_000), rng.integers(1, 900, 400_000), rng.integers(10**9, 2 * 10**9, 400_000)]
    )
    log = folder / "warm.csv"
    np.savetxt(log, rows.T, fmt="%d", delimiter=",", header="userId,movieId,timestamp", comments="")
    two_commands(log, folder, env, model)


def implicit(folder: Path) -> Numbers:
    """The script, from both files."""
    numbers: Numbers = {"seconds": 0.0}
    for ending in ENDINGS:
        lists = folder / "peer.parquet"
        script = ["-m", "bench.contenders._whole_job", str(folder / f"log.{ending}"), str(lists)]
        found = run([sys.executable, *script])
        numbers |= {f"{ending}: {key}": value for key, value in found.items()}
        numbers["seconds"] += found["seconds"]
        numbers |= _lists(lists, ending)
    return numbers


def _lists(file: Path, ending: str) -> Numbers:
    """Items and scores of a file of lists, one row a user in the order of their ids."""
    import polars as pl

    table = pl.read_parquet(file).with_columns(pl.col("user", "item").cast(pl.Int64)).sort("user", "rank")
    users, row = np.unique(table["user"].to_numpy(), return_inverse=True)
    items, scores = np.full((len(users), LENGTH), -1, np.int32), np.zeros((len(users), LENGTH), np.float32)
    at = row, table["rank"].to_numpy().astype(np.int64) - 1
    items[at], scores[at] = table["item"].to_numpy(), table["score"].to_numpy()
    return {f"{ending} items": items, f"{ending} scores": scores}


def agreement(mine: Side, theirs: Side, ending: str) -> float:
    """The share of places with the same item, of all whose score differs from that of both neighbours.

    The last place is left out: what its neighbour would be is not in the list.
    """
    scores = theirs.arrays[f"{ending} scores"]
    apart = np.diff(-scores, axis=1) > TIE * scores[:, :-1]
    sure = apart & np.column_stack([np.ones(len(scores), np.bool_), apart[:, :-1]])
    same = mine.arrays[f"{ending} items"] == theirs.arrays[f"{ending} items"]
    return float(same[:, :-1][sure].mean())


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """The goals, for each kind of file."""
    goals = []

    def at_least(text: str, value: float, limit: float) -> None:
        goals.append(Goal(text, value, limit, at_least=True))

    def at_most(text: str, value: float, limit: float) -> None:
        goals.append(Goal(text, value, limit, at_least=False))

    for ending in ENDINGS:
        one, two = mine[f"{ending}, one command: seconds"], mine[f"{ending}, two commands: seconds"]
        peak = max(mine[f"{ending}, {how}: peak_mib"] for how in ("one command", "two commands"))
        at_least(f"{ending}: times faster than the script", theirs[f"{ending}: seconds"] / one, 2.5)
        at_least(f"{ending}: times faster than the older build", mine[f"{ending}, older build: seconds"] / one, 4.5)
        at_most(f"{ending}: two commands, times as long as one", two / one, 1.4)
        at_most(f"{ending}: peak MiB", peak, MOST_MIB)
        at_least(f"{ending}: places outside ties on which both agree", agreement(mine, theirs, ending), 0.99)
    new, old = ({key: mine[f"reading csv{build}: {key}"] for key in ("seconds", "peak_mib")} for build in BUILDS)
    at_least("reading csv: times faster than the older build", old["seconds"] / new["seconds"], 1.5)
    at_most("reading csv: memory, times that of the older build", new["peak_mib"] / old["peak_mib"], 1.0)
    share = mine["reading csv: detecting"] / new["seconds"]
    at_most("reading csv: share of the time that detecting dates and types takes", share, 0.05)
    return goals


QUESTION = Question(
    title="The whole job: 20 million events on disk to saved neighbours and 20-item lists for everybody on disk",
    how="138,000 × 27,000, events in the order of time, as Parquet and CSV; whole processes, kernels compiled before; "
    f"cosine with {NEIGHBOURS} neighbours; one command (fit --lists) and two (fit, recommend --all), the same two of "
    f"build {OLD} (once), and a script of polars and implicit (CosineRecommender, two threads, batches of 10,000); "
    "read are 20 million ratings with times",
    prepare=prepare,
    judge=judge,
    peer="implicit",
    environment="polars-implicit",
    rounds=3,
)
