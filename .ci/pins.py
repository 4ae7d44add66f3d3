"""Print constraints.txt: the installed version of everything that the project, with all its extras, stands on."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
CAPPED = {"attrs": "23.2.0"}  # the newest that dp-accounting allows, where pip resolves all of them together
BUILD = [*PROJECT["build-system"]["requires"], "editables"]  # hatchling asks for editables when installing in place


def canonical(name: str) -> str:
    """The one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    """Name: version, of every distribution that is needed here, sorted."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    waiting = [*BUILD, *PROJECT["project"]["dependencies"], *(text for extra in extras for text in extra)]
    found: dict[str, str] = {}
    seen: set[str] = set()
    while waiting:
        text = waiting.pop()
        requirement = Requirement(text)
        name = canonical(requirement.name)
        key = f"{name}{sorted(requirement.extras)}"
        if key in seen or name == PROJECT["project"]["name"]:
            continue
        seen.add(key)
        distribution = importlib.metadata.distribution(name)
        version = distribution.version.partition("+")[0]  # torch says +cpu where it comes from another index
        found[name] = CAPPED.get(name, version)
        for needed in distribution.requires or []:
            marker = Requirement(needed).marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in (*requirement.extras, "")):
                waiting.append(needed)
    return dict(sorted(found.items()))


if __name__ == "__main__":
    print("\n".join(f"{name}=={version}" for name, version in pins().items()))
