"""``docs/growth.md``: time and memory against rows, from the results of ``python -m bench growth``."""

from __future__ import annotations

from math import log10
from pathlib import Path
from typing import Any

from bench.larger import STEPS, exponent, load, points
from bench.peers import ROOT

PAGE = ROOT / "docs" / "growth.md"
PICTURE = ROOT / "docs" / "images" / "growth-rows.svg"
COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#7b5ea7", "#b08900", "#444444", "#2a9d8f", "#d36ba6", "#8a5a44")
BILLION = 10**9
HEAD = """# Growth

How time and memory of [logs larger than memory](larger-than-memory.md) grow with their rows: `python -m bench growth`
makes logs of n rows, n / 10 people and n / 100 items (Zipf's law with exponent 0.9, log-normal history lengths),
prepares them from Parquet, and fits models on the prepared log, each in a process of its own. Lists are the 20 best
items for everybody, written to Parquet. Generated.

`ease` is measured to a million rows: over the 100,000 items of ten million its matrix takes 40 GB. So is `sparse-ease`,
which takes hours beyond. `rp3beta`, `graph-filter` and `bpr` are measured to ten million.

*CPU* is the time of all cores; *peak* is the most memory that the process held, pages of mapped files included; *own*
leaves these out: the system takes them back when it needs them.
"""


def write() -> Path:
    """Write the page and its picture."""
    done = load()
    names = [step.name for step in STEPS if points(done, step.name, "cpu_seconds")]
    lines = [HEAD]
    if not names:
        lines.append("Nothing has been measured yet.\n")
        PAGE.write_text("\n".join(lines))
        return PAGE
    PICTURE.write_text(picture(done, names))
    lines += [f"![Processor seconds and memory against rows](images/{PICTURE.name})\n"]
    lines += ["| step | rows | seconds | CPU seconds | peak, MiB | own, MiB |", "|---|---:|---:|---:|---:|---:|"]
    for name in names:
        for rows, cpu in points(done, name, "cpu_seconds"):
            of = done["steps"][f"{name}, {rows}"]
            numbers = (rows, of["seconds"], cpu, of["peak_mib"], of["own_mib"])
            lines.append(f"| {name} | " + " | ".join(f"{number:,.0f}" for number in numbers) + " |")
    lines += ["", "## Exponents", ""]
    lines += [
        "The power of the rows with which a figure grows, by least squares over the sizes measured (1: in proportion).",
        "",
    ]
    lines += ["| step | CPU seconds | peak | own |", "|---|---:|---:|---:|"]
    for name in names:
        found = [exponent(points(done, name, what)) for what in ("cpu_seconds", "peak_mib", "own_mib")]
        lines.append(
            f"| {name} | " + " | ".join("" if each is None else f"{round(each, 2) + 0.0:.2f}" for each in found) + " |"
        )
    lines += ["", "## A billion rows", "", *billion(done, names), ""]
    lines += [_machine(done), ""]
    PAGE.write_text("\n".join(lines))
    return PAGE


def billion(done: dict[str, Any], names: list[str]) -> list[str]:
    """An estimate on paper: time by its exponent, at least 1; memory by the line through the two largest sizes."""
    out = ["On paper: time carried on from the largest size measured by its exponent, at least 1; memory by the line"]
    out += ["through the two largest sizes; disk in proportion.", ""]
    out += ["| step | from rows | CPU hours | peak, GiB | disk, GiB |", "|---|---:|---:|---:|---:|"]
    for name in names:
        time, peak = points(done, name, "cpu_seconds"), points(done, name, "peak_mib")
        if len(time) < 2:
            continue
        rows, factor = time[-1][0], BILLION / time[-1][0]
        hours = time[-1][1] * factor ** max(1.0, exponent(time) or 1.0) / 3600
        (low, before), (high, after) = peak[-2:]
        memory = (after + (after - before) / (high - low) * (BILLION - high)) / 1024
        disk = done["steps"][f"{name}, {rows}"].get("disk_mib")
        room = "" if disk is None else f"{disk * factor / 1024:,.0f}"
        out.append(f"| {name} | {rows:,} | {hours:,.1f} | {memory:,.1f} | {room} |")
    return out


def picture(done: dict[str, Any], names: list[str]) -> str:
    """Two charts with logarithmic axes: processor seconds and peak memory."""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {300 + 16 * len(names)}" font-size="12">',
        "<style>text { font-family: sans-serif }</style>",
        f'<rect width="780" height="{300 + 16 * len(names)}" fill="white"/>',
    ]
    for number, (what, title) in enumerate((("cpu_seconds", "CPU seconds"), ("peak_mib", "peak memory, MiB"))):
        lines = {name: points(done, name, what) for name in names}
        all_points = [point for line in lines.values() for point in line]
        x0, x1 = (log10(pick(rows for rows, _ in all_points)) for pick in (min, max))
        y0, y1 = (log10(pick(value for _, value in all_points)) for pick in (min, max))
        left = 60 + 370 * number
        out.append(f'<text x="{left}" y="20" font-weight="bold">{title}, by rows</text>')
        out.append(f'<line x1="{left}" x2="{left + 310}" y1="250" y2="250" stroke="#999999"/>')
        for power in range(round(x0), round(x1) + 1):
            x = left + 300 * (power - x0) / max(x1 - x0, 1e-9)
            out.append(f'<text x="{x:.1f}" y="268" text-anchor="middle">{10**power:,}</text>')
        for colour, line in zip(COLOURS, lines.values(), strict=False):
            at = [
                (left + 300 * (log10(x) - x0) / max(x1 - x0, 1e-9), 240 - 200 * (log10(y) - y0) / max(y1 - y0, 1e-9))
                for x, y in line
            ]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
            out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            for (x, y), (_, value) in zip(at, line, strict=True):
                out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
                out.append(f'<text x="{x:.1f}" y="{y - 6:.1f}" font-size="9" text-anchor="middle">{value:,.0f}</text>')
    for at, (colour, name) in enumerate(zip(COLOURS, names, strict=False)):
        out.append(f'<text x="60" y="{292 + 16 * at}" fill="{colour}">{name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def _machine(done: dict[str, Any]) -> str:
    on = done["machine"]
    busy = "\nwhile other work ran on it: seconds are longer than on a quiet machine" if done.get("busy") else ""
    return f"Measured on {on['cores']} cores of {on['processor']} with {on['memory_gib']} GiB{busy}."
