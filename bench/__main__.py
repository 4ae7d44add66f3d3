"""The benchmarks.

python -m bench list                     the comparisons and the sets
python -m bench NAME ...                 measure comparisons: ours and theirs in turn
python -m bench accuracy [--set S ...] [--model M ...] [--seed N ...]
                                         the queue: what has parameters and no result yet
python -m bench tune SET MODEL           parameters chosen on the validation part of a set
python -m bench blend SET [--model M ...] [--runs] [--row R]
                                         the tuned models of a set together, weighed on its validation part
python -m bench defaults [--set S ...] [--model M ...]
                                         the queue: how near defaults come to tuned parameters on other sets
python -m bench serve-hostile [--rate 200] [--force]
                                         light answers of the service beside callers that would starve them
python -m bench schemathesis [--minutes 10]
                                         requests made from the OpenAPI document of a running service
python -m bench plan [--rows N ...] [--set S ...] [--model M ...] [--plain] [--dense] [--refit]
                                         what models take against what `penchant plan` says; --refit writes the
                                         coefficients of the plan from the measurements
python -m bench growth [--rows N ...] [--minutes 10] [--force]
                                         logs larger than memory: time and memory of preparing and fitting against
                                         rows (1e6, 1e7, 1e8: 30 GB of disk); --minutes: the most a step may take
python -m bench index [--rows N ...] [--force]
                                         lists from an index against exact ones, over so many items (1e6; 1e7 needs
                                         5 GB of memory)
python -m bench index-libraries [--rows N] [--force]
                                         libraries for such an index, over so many items (1e6)
python -m bench serve-train              answers while the service trains beside itself
python -m bench serve-workers            one worker of the service against several: memory, answers a second
python -m bench loop                     the whole loop of examples/loop on a year of groceries
python -m bench simulated-year [--events N] [--days N]
                                         a year of the service in accelerated time, with a training every day
python -m bench store-import [--events N]
                                         a log of 5 million events into a SQLite store
python -m bench store-fit [--events N]   a fit from that store against one from Parquet
python -m bench text [PART ...]          opinions of reviews and vectors of item texts (zh, giftcards, vectors, help,
                                         cost, zh-domains)
python -m bench contexts [--set S ...]   models that use contexts against the best that do not
python -m bench privacy [--set S ...] [--model M ...]
                                         what private models lose against epsilon, over simulated releases
python -m bench experiments              simulated experiments: false alarms, power, broken splits, interleaving
python -m bench off-policy               what another policy would earn, estimated from logs, against the truth
python -m bench next-basket              models of repeats against the frequency of own purchases
python -m bench ranked [--set S ...] [--model ROW]
                                         the second stage over the members of a blend, against the blend
python -m bench cold-items [--set S ...] a fifth of the items is new
python -m bench impressions              clicks in lists that people were shown
python -m bench placements [--force]     ten rules: one answer, and the lists of 30,000 people
python -m bench ranking-speed [--force]  an answer of the second stage, and learning from 5 million candidates
python -m bench privacy-audit            attacks on models made leaky, as they are, and private
python -m bench privacy-search           ways to read the same noised sums at epsilon 2, on ml-1m-bars
python -m bench forgetting               1,000 of 20,000 people erased while the service answers, then from a backup
python -m bench report                   docs/benchmarks.md and docs/choosing-a-model.md from the results
python -m bench all                      every comparison without a result, the queue, the report
"""

from __future__ import annotations

import argparse
import sys

from bench import (
    accuracy,
    baskets,
    blends,
    choosing_report,
    contexts,
    defaults,
    defaults_report,
    duel,
    experiments,
    forgetting,
    impressions,
    index,
    larger,
    larger_report,
    loop,
    machine,
    near_libraries,
    off_policy,
    placements,
    plan,
    plan_fit,
    plan_report,
    privacy,
    privacy_audit,
    privacy_search,
    ranked,
    ranking_speed,
    report,
    serve_hostile,
    serve_schemathesis,
    serve_train,
    serve_workers,
    simulated_year,
    store_speed,
    text,
    tune,
)
from bench.sets import SETS


def compare(names: list[str], *, rounds: int | None, force: bool) -> int:
    """Measure comparisons and print whether their goals were met; return the number of missed goals."""
    missed = 0
    for name in names:
        for goal in duel.run(name, rounds=rounds, force=force):
            print(f"{name}: {goal.text}: {goal.value:.4g} ({'met' if goal.met else 'MISSED'}, limit {goal.limit:.4g})")
            missed += not goal.met
    return missed


def show() -> None:
    """Print the available comparisons and sets."""
    for name in duel.names():
        print(f"{name:20} {duel.question(name).title}")
    for name, bench_set in SETS.items():
        print(f"{name:20} {bench_set.about}")


def main() -> int:
    """Run the command; return 0 on success, 1 on a failure or missed goal, 2 on a busy machine or an unknown name."""
    parser = argparse.ArgumentParser("python -m bench", None, __doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="+", metavar="NAME")
    parser.add_argument("--rounds", type=int, help="rounds of ours and theirs in turn")
    parser.add_argument("--force", action="store_true", help="measure although the machine is busy")
    parser.add_argument(
        "--set", action="append", default=[], choices=sorted({*SETS, *defaults.SETS}), help="only this set"
    )
    parser.add_argument("--model", action="append", default=[], help="only this model")
    parser.add_argument("--seed", action="append", default=[], type=int, help="this seed (0 unless given)")
    parser.add_argument("--trials", type=int, default=30, help="parameters that tune tries")
    parser.add_argument(
        "--rate", type=float, default=serve_hostile.RATE, help="light answers a second of serve-hostile"
    )
    parser.add_argument("--minutes", type=float, help="the most time that tune takes; the length of schemathesis")
    parser.add_argument(
        "--row", default="", help="what tune or blend call their file and row in the tables: else the model"
    )
    parser.add_argument("--rows", action="append", default=[], help="plan: logs of so many rows (1e5 and 1e6)")
    parser.add_argument("--plain", action="store_true", help="plan: logs without ratings and repeats")
    parser.add_argument("--dense", action="store_true", help="plan: logs of few people with long histories")
    parser.add_argument("--refit", action="store_true", help="plan: fit the coefficients to the measurements")
    parser.add_argument("--events", type=float, help="events of store-import, store-fit and simulated-year")
    parser.add_argument("--days", type=int, help="days of simulated-year")
    parser.add_argument("--runs", action="store_true", help="blend: hold out events that stand together")
    options = parser.parse_args()
    failed, first = 0, options.what[0]
    seeds, events = options.seed or [0], None if options.events is None else int(options.events)
    if first == "list":
        show()
    elif first == "tune":
        if len(options.what) != 3 or options.what[1] not in SETS:
            parser.error(f"tune takes a set and a model; the sets are {', '.join(SETS)}")
        set_name, model = options.what[1:]
        tune.tune(set_name, model, trials=options.trials, minutes=options.minutes, seed=seeds[0], row=options.row)
    elif first == "blend":
        if len(options.what) != 2 or options.what[1] not in SETS:
            parser.error(f"blend takes a set; the sets are {', '.join(SETS)}")
        blends.blend(options.what[1], options.model, seed=seeds[0], runs=options.runs, row=options.row or "blend")
    elif first == "growth":
        limit = options.minutes and options.minutes * 60
        failed = larger.work([int(float(rows)) for rows in options.rows], force=options.force, limit=limit)
        print(larger_report.write().relative_to(report.ROOT))
    elif first == "index":
        failed = index.work([int(float(rows)) for rows in options.rows], force=options.force)
    elif first == "index-libraries":
        failed = near_libraries.work([int(float(rows)) for rows in options.rows], force=options.force)
    elif first == "text":
        failed = text.work(options.what[1:])
    elif first == "serve-train":
        failed = serve_train.main(rounds=options.rounds, force=options.force)
    elif first == "serve-workers":
        failed = serve_workers.main(rounds=options.rounds, force=options.force)
    elif first == "loop":
        failed = loop.main()
    elif first == "simulated-year":
        failed = simulated_year.main(events=events, days=options.days)
    elif first == "store-import":
        failed = store_speed.store_import(events=events, force=options.force)
    elif first == "store-fit":
        failed = store_speed.store_fit(events=events, rounds=options.rounds, force=options.force)
    elif first == "defaults":
        defaults.work(options.set, options.model)
        print(defaults_report.write().relative_to(report.ROOT))
    elif first == "serve-hostile":
        failed = serve_hostile.main(force=options.force, rate=options.rate)
    elif first == "schemathesis":
        failed = serve_schemathesis.main(options.minutes or 10)
    elif first == "plan":
        failed = plan.work(
            [int(float(rows)) for rows in options.rows],
            options.model,
            plain=options.plain,
            dense=options.dense,
            sets=options.set,
        )
        if options.refit:
            plan_fit.refit()
        for line in plan_report.lines():
            log = line.source or f"{line.rows:,}"
            print(f"{line.model:20} {log:>12} time {line.time_ratio:5.2f} memory {line.memory_ratio:5.2f}")
    elif first == "contexts":
        contexts.work(options.set, options.model)
    elif first == "privacy-audit":
        failed = privacy_audit.main()
    elif first == "privacy-search":
        failed = privacy_search.main()
    elif first == "forgetting":
        failed = forgetting.main()
    elif first == "privacy":
        print(privacy.work(options.set, options.model).relative_to(report.ROOT))
    elif first == "experiments":
        failed = experiments.work()
    elif first == "off-policy":
        failed = off_policy.work()
    elif first == "next-basket":
        baskets.work()
    elif first == "ranked":
        ranked.work(options.set, options.model, seed=seeds[0])
    elif first == "cold-items":
        ranked.cold(options.set, seed=seeds[0])
    elif first == "impressions":
        failed = impressions.main()
    elif first == "ranking-speed":
        failed = ranking_speed.main(force=options.force)
    elif first == "placements":
        failed = placements.main(force=options.force)
    elif first == "accuracy":
        failed = accuracy.work(accuracy.queue(options.set, options.model, seeds))
    elif first == "all":
        waiting = [name for name in duel.names() if not (duel.RESULTS / f"{name}.json").exists()]
        failed = accuracy.work(accuracy.queue(seeds=seeds))
        failed += compare(waiting, rounds=options.rounds, force=options.force)
    elif first != "report":
        if unknown := set(options.what) - set(duel.names()):
            parser.error(f"there is no comparison {', '.join(sorted(unknown))}: python -m bench list shows them")
        failed = compare(options.what, rounds=options.rounds, force=options.force)
    if first in {"report", "all"}:
        print(report.write().relative_to(report.ROOT))
        print(choosing_report.write().relative_to(report.ROOT))
    return int(failed > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (machine.BusyError, FileNotFoundError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
