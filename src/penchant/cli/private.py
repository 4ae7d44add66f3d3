"""``penchant fit --private``: a recommender with a promise, and its line in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from penchant.cli.options import ReadOptions, read_log
from penchant.cli.outputs import check_inputs
from penchant.cli.render import note, print_json, say
from penchant.errors import ParameterError

LEDGER = "privacy-ledger.jsonl"
SQLITE = "sqlite:///"


def fit_privately(
    logs: list[str] | None,
    reading: ReadOptions,
    private: str,
    *,
    output: str,
    model: str | None,
    ledger: str | None,
    key: str | None,
    budget: float | None,
    threads: int,
    other: Mapping[str, object],
    as_json: bool,
) -> None:
    """Fit, enter the release in the ledger, then save the folder."""
    from penchant.core.run import Run
    from penchant.privacy.accounting import Promise
    from penchant.privacy.ledger import Ledger
    from penchant.privacy.mechanism.fit import plan_private, private_model, release
    from penchant.recommender.folder.atomic import refuse
    from penchant.recommender.folder.manifest import MANIFEST

    promise = Promise.parse(private)
    if model is None:
        raise ParameterError("--private needs a model: name it with -m")
    if named := [option for option, value in other.items() if value is not None and value is not False]:
        raise ParameterError(
            f"{named[0]} does not go with --private: it would tell more about the log than the promise allows"
        )
    private_model(model)
    refuse(Path(output), force=reading.force, marker=MANIFEST)
    reading = reading.with_logs(logs)
    place = Path(ledger) if ledger is not None else beside(reading.store, output)
    kept = Ledger(place, None if key is None else Path(key))
    check_inputs([output, kept.file, kept.head_file], reading, kept.key_file)
    log, catalog = read_log(reading)
    plan = plan_private(log, model, promise, public=catalog is not None, run=Run(threads=threads))
    name = type(plan.model).name
    # first the ledger: whatever comes of it, an attempt tells something about the log
    entry = kept.add(promise, plan.cost, model=name, mechanism=plan.mechanism, log=log, budget=budget)
    recommender = release(log, plan, catalog=catalog)
    seen = recommender.fitted_on
    seen["private"] |= {"ledger": entry.held(), "total": entry.stated["total"]}
    recommender.save(output, force=reading.force)
    total = entry.stated["total"]
    if as_json:
        print_json({"folder": output, "model": {"name": name, "version": recommender.version}, "fitted_on": seen})
        return
    for line in seen["notes"]:
        note(line)
    say(
        f"{output}: {name} over {len(recommender.vocab):,} items, (epsilon {promise.epsilon:g}, delta "
        f"{promise.delta:g}) for {seen['private']['unit']}"
    )
    spent = f"epsilon {total['epsilon']:.3g} at delta {total['delta']:.3g}"
    of = "" if entry.stated["budget"] is None else f", of {entry.stated['budget']:g}"
    say(f"{kept.file}: release {entry.stated['number']}; {promise.name!r} have spent {spent}{of}")


def beside(store: str | None, output: str) -> Path:
    """Where a ledger stands that is not named: beside a SQLite store, else beside the folder."""
    if store is not None and store.startswith(SQLITE):
        file = Path(store.removeprefix(SQLITE))
        return file.with_name(f"{file.name}.{LEDGER}")
    return Path(output).absolute().parent / LEDGER
