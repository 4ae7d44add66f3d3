"""The findings of reading itself, before the doctor is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penchant.data.reading.cleaning import Cleaner, Seen
from penchant.data.reading.ids import IdTable
from penchant.data.reading.opening import AGAIN, CUT_OFF
from penchant.data.reading.report import Finding, ReadReport, Severity, Source, many
from penchant.data.reading.wording import option
from penchant.data.recipe import UNLESS_NAMED, Recipe
from penchant.data.refunds import Left
from penchant.errors import DataError

if TYPE_CHECKING:
    from penchant.data.reading.ordering import Trace


def at(report: ReadReport, seen: Seen, role: str) -> dict[str, object]:
    """The location of the first occurrence, as keywords of a finding."""
    if seen.first is None:
        return {}
    source, line, value = seen.first
    return {
        "file": report.sources[source].name,
        "line": line,
        "column": column_name(report, source, role),
        "value": value,
    }


def column_name(report: ReadReport, source: int, role: str) -> str:
    """The name of the column of a role in a source."""
    return report.sources[source].columns.get(role, role)


def damage_finding(source: Source) -> Finding:
    """The finding that a file is damaged, and how much of it was read."""
    rows = many(source.rows, "row was", "rows were")
    if source.damage == CUT_OFF:
        what, why = f"{rows} read, the rest is lost", "A model would learn from the first part only"
    else:
        what = f"{rows} read, and some of them may be wrong"
        why = "Rows after the first wrong byte may be garbage"
    return Finding("damaged file", "error", f"{source.damage}: {what}", why, AGAIN, 1, source.name)


def damage_error(source: Source) -> DataError:
    """The same as an error, if nothing of the file can be used."""
    found = damage_finding(source)
    return DataError(found.what, file=found.file, fix=found.fix)


def merged_finding(report: ReadReport, table: IdTable, role: str) -> Finding:
    """That ids were floats, and may have become one before they reached us."""
    rows = many(table.merged, f"{role} id is", f"{role} ids are")
    return Finding(
        "merged ids",
        "error",
        f"{rows} whole numbers beyond 2^53 (2^24 with 32 bits) in floats, which cannot tell neighbours apart",
        "Different ids have become one, as pandas makes floats of a column of numbers with a missing value",
        "Write the ids as text or whole numbers: read them with dtype='string' or 'Int64' in pandas",
        table.merged,
        **at(report, Seen(table.merged, table.merged_example), role),  # type: ignore[arg-type]  # see ``at``
    )


def refund_finding(netted: Left, report: ReadReport, other: str) -> Finding:
    """How many refunds there are and what became of them."""
    what = (
        f"{many(netted.refunds, 'refund', 'refunds')} cancelled {many(netted.cancelled, 'purchase', 'purchases')}, "
        f"and {many(netted.unmatched, 'refund', 'refunds')} found no earlier purchase, or not enough of it"
    )
    why = "A purchase that was taken back says nothing; a refund is not a dislike"
    fix = f"Nothing to do; {other} takes the oldest purchase back instead"
    return Finding(
        "refunds", "note", what, why, fix, netted.refunds, report.sources[0].name if report.sources else None
    )


def from_reading(report: ReadReport, cleaner: Cleaner, recipe: Recipe, trace: Trace) -> list[Finding]:
    """Findings about rejected rows, times, kinds and spelling of ids."""
    out: list[Finding] = []

    def add(check: str, severity: Severity, what: str, why: str, fix: str, count: int, **where: object) -> None:
        out.append(Finding(check, severity, what, why, fix, count, **where))  # type: ignore[arg-type]  # see ``at``

    for reason, count in report.reasons.most_common():
        first = next((row for row in report.rejected if row.reason == reason), None)
        where = (
            {}
            if first is None
            else {"file": first.file, "line": first.line, "column": first.column or None, "value": first.value}
        )
        check = "repeated header" if reason == "the header again" else "rejected rows"
        fix = (
            "Remove the line"
            if reason == "the header again"
            else "Correct the rows; they are in the file of rejected rows"
        )
        add(
            check,
            "warning",
            f"{many(count, 'row', 'rows')}: {reason}",
            "These rows were skipped",
            fix,
            count,
            **where,
        )
    times: tuple[tuple[str, Severity, Seen, str, str, str, str], ...] = (
        (
            "impossible times", "warning", cleaner.early, "time is before 1970", "times are before 1970",
            "Negative times are rarely intended; the events are kept as the oldest",
            "Check the unit and the column of the times",
        ),
        (
            "impossible times", "warning", cleaner.late, "time is after 2100", "times are after 2100",
            "A time in the future moves the time split and makes all other events old",
            "Check the unit: seconds, milli-, micro- and nanoseconds are distinguished by the median",
        ),
        (
            "missing times", "note", cleaner.timeless, "event has no time", "events have no time",
            "They follow the other events of their user, at the newest known time",
            "Fill in the times",
        ),
        (
            "merged times", "warning", cleaner.blurred, "time is a float of 32 bits", "times are floats of 32 bits",
            "Such a float holds a moment of today to within two minutes at best, so the order of events is lost",
            "Write times as 64-bit whole numbers, or as dates",
        ),
    )  # fmt: skip
    for check, severity, seen, one, several, why, fix in times:
        if seen.count:
            add(check, severity, many(seen.count, one, several), why, fix, seen.count, **at(report, seen, "time"))
    for table in (cleaner.users, cleaner.items, cleaner.guests):
        role = {"user": cleaner.by, "guest": cleaner.guest or "session"}.get(table.role, table.role)
        if table.merged:
            found = merged_finding(report, table, role)
            out.append(found)
        if table.respelled:
            add(
                "spelling of ids",
                "note",
                many(
                    table.respelled,
                    f"{role} id has spaces around it or ends",
                    f"{role} ids have spaces around them or end",
                )
                + " in .0",
                "1, ' 1' and 1.0 are read as one id",
                "Write ids in one way",
                table.respelled,
                **at(report, Seen(table.respelled, table.respelled_example), role),
            )
    if cleaner.kinds and not recipe.kinds:
        names = [name for name in cleaner.kinds if name and name not in {*UNLESS_NAMED, *recipe.cancels}][:6]
        if len(names) > 1:
            add(
                "kinds",
                "note",
                f"events of kinds {', '.join(names)} all weigh 1",
                "A purchase means more than a view",
                f"Give them weights: {option('kinds', {names[0]: 1, names[1]: 3})}",
                len(names),
            )
    unknown = [name for name in recipe.kinds if name not in cleaner.kinds]
    if unknown:
        add(
            "kinds",
            "warning",
            f"the log has no event of kind {', '.join(map(repr, unknown))}",
            "A weight was given for it",
            f"The kinds are {', '.join(list(cleaner.kinds)[:10]) or 'none: there is no column of kinds'}",
            len(unknown),
        )
    if trace.unsorted is not None:
        source, line = trace.unsorted
        add(
            "unsorted times",
            "note",
            many(
                trace.n_unsorted,
                "event follows a later one of its user",
                "events follow a later one of their user",
            ),
            "Reading sorts events by time; tools that rely on the order of the file would see the future",
            "Nothing to do, or sort the file by time",
            trace.n_unsorted,
            file=report.sources[source].name,
            line=line,
            column=column_name(report, source, "time"),
        )
    return out
