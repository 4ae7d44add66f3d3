"""An audit for people: in the terminal, and as one HTML file with its curves."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from penchant.privacy.audit import Audit
from penchant.privacy.audit_numbers import Attack

if TYPE_CHECKING:
    from rich.table import Table

LEAK, CHANCE = 0.70, 0.55  # an area under the curve from which people can be told; up to which they cannot
SIDE = 260  # pixels of a curve
COLOURS = ("#3b6fb6", "#c0504d")
STYLE = """
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem; padding: 0 1rem; color: #1a1a1a }
  table { border-collapse: collapse } td, th { padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: right }
  td:first-child, th:first-child { text-align: left }
"""


def table(audit: Audit) -> Table:
    """The attacks, a row each."""
    from rich.table import Table

    out = Table(title=f"Attacks on {audit.model['model']}", title_justify="left")
    for head in ("attack", "AUC", "95 %", "found at 1 % false alarms", "95 %"):
        out.add_column(head, justify="left" if head == "attack" else "right")
    for one in audit.attacks:
        out.add_row(*_cells(one))
    return out


def said(audit: Audit) -> list[str]:
    """What the numbers mean, a sentence each."""
    worst = max(audit.attacks, key=lambda one: one.auc)
    out = []
    if worst.auc >= LEAK:
        out.append(f"It leaks: {worst.name} tells members from others with an AUC of {worst.auc:.3f}.")
    elif worst.auc_high <= CHANCE:
        out.append(f"No attack does better than an AUC of {worst.auc_high:.3f}, with 95 % confidence; chance is 0.500.")
    else:
        out.append(f"The best attack, {worst.name}, has an AUC of {worst.auc:.3f}; chance is 0.500.")
    found = audit.canaries
    if found:
        out.append(
            f"{found['planted']} canaries: {found['right']} of {found['guesses']} guesses are right, "
            f"{found['seen_in_a_list']} planted pairs can be seen in a list of ten; epsilon is at least "
            f"{found['epsilon_at_least']:.2f} with 95 % confidence."
        )
    if audit.claim is not None:
        out.append(
            f"Claimed: epsilon {audit.claim['epsilon']:g}, delta {audit.claim['delta']:g}, for {audit.claim['unit']}."
        )
        if found and found["epsilon_at_least"] > audit.claim["epsilon"]:
            out.append("The claim is refuted.")
    else:
        out.append("No promise is claimed: this model was not fitted with --private.")
    return out


def html(audit: Audit) -> str:
    """One file without scripts, fonts or links."""
    head = "".join(f"<th>{escape(one)}</th>" for one in ("attack", "AUC", "95 %", "found at 1 % false alarms", "95 %"))
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(one)) + "</tr>" for one in audit.attacks
    )
    sentences = "".join(f"<p>{escape(line)}</p>" for line in said(audit))
    model = escape(str(audit.model["model"]))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Audit of {model}</title><style>{STYLE}</style>'
        f"<h1>Audit of {model}</h1>{sentences}<table><tr>{head}</tr>{rows}</table>"
        f"<p>How many members an attack finds, against how many others it takes for members:</p>{curves(audit.attacks)}"
        "</html>\n"
    )


def curves(attacks: list[Attack]) -> str:
    """True against false positive rates, as SVG."""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE + 180} {SIDE + 40}" font-size="12" role="img">',
        f'<rect x="30" y="10" width="{SIDE}" height="{SIDE}" fill="none" stroke="#888"/>',
        f'<line x1="30" y1="{SIDE + 10}" x2="{SIDE + 30}" y2="10" stroke="#bbb" stroke-dasharray="4"/>',
        f'<text x="{30 + SIDE / 2}" y="{SIDE + 30}" text-anchor="middle">false positives</text>',
    ]
    for n, one in enumerate(attacks):
        colour = COLOURS[n % len(COLOURS)]
        points = " ".join(f"{30 + SIDE * x:.1f},{10 + SIDE * (1 - y):.1f}" for x, y in one.curve)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{SIDE + 40}" y="{30 + 18 * n}" fill="{colour}">{escape(one.name)}</text>')
    return "".join([*out, "</svg>"])


def _cells(one: Attack) -> tuple[str, ...]:
    return (
        one.name, f"{one.auc:.3f}", f"{one.auc_low:.3f} to {one.auc_high:.3f}", f"{one.found:.1%}",
        f"{one.found_low:.1%} to {one.found_high:.1%}",
    )  # fmt: skip
