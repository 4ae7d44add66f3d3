"""``penchant inspect``: how a log is understood, its statistics, and the findings of the data doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from penchant.cli.options import Logs, ReadOptions, read_log_traced
from penchant.cli.outputs import check_inputs
from penchant.cli.reading_options import reading_options
from penchant.cli.render import AsJson, example, print_json, show
from penchant.data.reading.columns import ROLES
from penchant.data.reading.report import ReadReport, many

if TYPE_CHECKING:
    from rich.console import RenderableType

BAR = 40
COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog=example(
            "penchant inspect events.csv",
            "penchant inspect 'ratings-*.csv.gz' --items movies.csv --positive 'value>=4' --json",
        )
    )
    @reading_options
    def inspect(logs: Logs, reading: ReadOptions, as_json: AsJson = False) -> None:
        """Show how a log is understood, its statistics, what looks wrong in it and how to correct it."""
        from penchant.data.doctor import examine
        from penchant.data.doctor.statistics import describe

        reading = reading.with_logs(logs)
        check_inputs([], reading)
        log, trace, _ = read_log_traced(reading, trace=True)
        log.report.findings = examine(log, trace, reading.item_table)
        figures = describe(log)
        if as_json:
            print_json({**log.report.to_json(), "recipe": log.recipe.to_json(), "statistics": figures})
            return
        show(*_understood_table(log.report), *_figures(figures), *_histograms(figures), *_findings(log.report))


def _table(title: str, *columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_header=bool(columns))
    for at, column in enumerate(columns or ("", "")):
        table.add_column(column, justify="left" if at < 2 else "right", overflow="fold")
    return table


def _understood_table(report: ReadReport) -> list[RenderableType]:
    table = _table("Understood")
    for source in report.sources:
        how = [source.format]
        how += [f"in {source.compression}"] if source.compression else []
        how += [f"separated by {source.separator}"] if source.separator else []
        how += [source.encoding] if source.encoding else []
        how += ["no header"] if source.header is False else []
        how += [f"layout of {source.layout}"] if source.layout else []
        table.add_row(source.name, ", ".join(how))
        table.add_row(
            "  columns",
            ", ".join(f"{role} = {source.columns[role]}" for role in sorted(source.columns, key=ROLES.index)),
        )
        if source.ignored:
            table.add_row("  not used", ", ".join(source.ignored))
        if source.time_unit:
            table.add_row("  times in", source.time_unit)
    table.add_row("values", report.values_why)
    return [table]


def _figures(figures: dict[str, Any]) -> list[RenderableType]:
    table = _table("Figures")
    who = "sessions" if figures["sessions"] else "users"
    rejected = f", {figures['rejected']:,} rejected" if figures["rejected"] else ""
    table.add_row("rows", f"{figures['rows']:,}{rejected}")
    table.add_row(who, f"{figures['users']:,}")
    table.add_row("items", f"{figures['items']:,}")
    table.add_row("distinct pairs", f"{figures['pairs']:,}, density {figures['density_percent']:g} %")
    history, popularity = figures["history"], figures["popularity"]
    table.add_row("history", f"median {history['median']:g}, mean {history['mean']:g}, longest {history['max']:,.0f}")
    table.add_row(
        "popularity",
        f"median {popularity['median']:g} {who[:-1] if popularity['median'] == 1 else who} an item, "
        f"highest {popularity['max']:,.0f}; the top 1 % of items have "
        f"{popularity['top_percent_share']:.0%} of the pairs; Gini {popularity['gini']:.2f}",
    )
    if values := figures["values"]:
        table.add_row(
            f"values ({figures['values_are']})", f"{values['min']:g} to {values['max']:g}, mean {values['mean']:g}"
        )
    table.add_row("positives", f"{figures['positives']:,} of {many(figures['events'], 'event', 'events')}")
    if times := figures["times"]:
        table.add_row("times", f"{times['first']} to {times['last']}, {times['days']:,.0f} days")
    if cold := figures["cold"]:
        table.add_row(
            "cold in a time split",
            f"of the last {1 - cold['quantile']:.0%} of events, {cold['events_of_cold_items']:.1%} are of items "
            f"unseen before; "
            f"{cold['new_users']:.1%} of their {who} are new",
        )
    if parts := figures["parts"]:
        table.add_row("parts", ", ".join(f"{name} {count:,}" for name, count in parts.items()))
    return [table]


def _histograms(figures: dict[str, Any]) -> list[RenderableType]:
    who = "sessions" if figures["sessions"] else "users"
    titles = {"history": ("Length of histories", "events", who), "popularity": ("Popularity of items", who, "items")}
    out: list[RenderableType] = []
    for name, (title, unit, counted) in titles.items():
        ranges = figures["histograms"][name]
        if not ranges:
            continue
        table = _table(title, unit, "", counted)
        ranges = ranges[next(i for i, r in enumerate(ranges) if r["count"]) :]
        most = max(r["count"] for r in ranges)
        for r in ranges:
            label = f"{r['from']:,}" if r["from"] == r["to"] else f"{r['from']:,}–{r['to']:,}"
            table.add_row(label, bar(r["count"] / most), f"{r['count']:,}")
        out.append(table)
    return out


def bar(share: float, width: int = BAR) -> str:
    """A bar in eighths of a block; a share above zero is never empty."""
    eighths = max(1, round(share * width * 8)) if share > 0 else 0
    whole, rest = divmod(eighths, 8)
    return "█" * whole + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")


def _findings(report: ReadReport) -> list[RenderableType]:
    from rich.text import Text

    if not report.findings:
        return [Text("No findings.")]
    out: list[RenderableType] = [Text("Findings", style="bold")]
    for finding in report.findings:
        text = Text()
        text.append(f"{finding.severity}: ", style=COLOURS[finding.severity])
        text.append(finding.what)
        where = report.place(finding.file, finding.line, finding.column)
        if where:
            text.append(f"\n    {where}" + (f": {finding.value!r}" if finding.value else ""), style="dim")
        text.append(f"\n    {finding.why}. {finding.fix}.")
        out.append(text)
    return out
