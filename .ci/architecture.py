"""Draw docs/images/architecture.svg: every room of the package and which rooms it imports, from the code itself."""

from __future__ import annotations

import importlib
import sys
import tomllib
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
ROW, LEFT, DOT, TOP = 34, 660, 46, 96  # pixels: height of a row, where the matrix starts, width of a column, its head
LABEL = "The rooms of the package and which rooms each one imports"
CAPTION = "A row imports the columns that are marked in it. They all lie below it."
STYLE = """
  svg { font: 14px system-ui, sans-serif } .bg { fill: #fff } .room { fill: #eef3fb; stroke: #9db4d6 }
  .name { font-weight: 600; fill: #16324f } .what { fill: #445 } .head { fill: #16324f; font-size: 12px }
  .line { stroke: #e3e6ea } .dot { fill: #3b6fb6 }
  @media (prefers-color-scheme: dark) {
    .bg { fill: #14181d } .room { fill: #1d2833; stroke: #3d5875 }
    .name, .head { fill: #cfe0f5 } .what { fill: #aab4bf }
    .line { stroke: #262d35 } .dot { fill: #4d86d1 }
  }
"""


def rooms() -> list[str]:
    """The rooms from the highest to the lowest, as the import contract lists them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return next(c["layers"] for c in contracts if c.get("containers") == ["penchant"])


def purpose(room: str) -> str:
    """The first sentence of the room's docstring."""
    text = (importlib.import_module(f"penchant.{room}").__doc__ or "").strip().splitlines()[0].replace("``", "")
    return text if len(text) <= 80 else text[:79].rsplit(" ", 1)[0] + " …"


def imports() -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second."""
    graph = grimp.build_graph("penchant")
    return {
        (importer.split(".")[1], imported.split(".")[1])
        for importer in graph.modules - {"penchant"}
        for imported in graph.find_modules_directly_imported_by(importer) - {"penchant"}
    }


def draw() -> str:
    """The picture as SVG text."""
    order, pairs = rooms(), imports()
    width, height = LEFT + DOT * len(order) + 16, TOP + ROW * len(order) + 16
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{LABEL}">',
        f"<style>{STYLE}</style>",
        f'<rect class="bg" width="{width}" height="{height}"/>',
        f'<text class="what" x="12" y="26">{CAPTION}</text>',
    ]
    for column, room in enumerate(order):
        x = LEFT + DOT * column + DOT // 2
        out.append(f'<text class="head" transform="translate({x + 4} {TOP - 8}) rotate(-50)">{room}</text>')
        out.append(f'<line class="line" x1="{x}" y1="{TOP}" x2="{x}" y2="{height - 16}"/>')
    for row, room in enumerate(order):
        y = TOP + ROW * row
        out.append(f'<line class="line" x1="{LEFT}" y1="{y + 15}" x2="{width - 16}" y2="{y + 15}"/>')
        out.append(f'<rect class="room" x="8" y="{y}" width="{LEFT - 24}" height="{ROW - 5}" rx="4"/>')
        out.append(f'<text class="name" x="18" y="{y + 20}">{room}</text>')
        out.append(f'<text class="what" x="130" y="{y + 20}" font-size="12">{escape(purpose(room))}</text>')
        for column, other in enumerate(order):
            if room != other and (room, other) in pairs:
                x = LEFT + DOT * column + DOT // 2
                out.append(f'<circle class="dot" cx="{x}" cy="{y + 15}" r="7"/>')
    return "\n".join([*out, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}\n")
