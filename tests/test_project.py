"""The project as a whole: what it installs, ships, imports and promises about itself."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from unittest.mock import Mock

import pytest

import penchant
from penchant.kernels import ahead, ready

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
HEAVY = ("numba", "pandas", "polars", "pyarrow", "scipy", "torch", "typer", "rich", "fastapi", "starlette")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_importing_it_loads_nothing_heavy():
    code = "import sys, penchant; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "penchant" in loaded
    assert not set(HEAVY) & set(loaded)


def test_every_public_name_is_there_and_says_what_it_is():
    assert len(penchant.__all__) == len(set(penchant.__all__))
    for name in penchant.__all__:
        assert getattr(penchant, name).__doc__, name
    assert set(penchant.__all__) <= set(dir(penchant))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = penchant.no_such_name


def test_the_type_checker_sees_the_public_names():
    tree = ast.parse((ROOT / "src/penchant/__init__.py").read_text())
    listed = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("penchant.")
        for alias in node.names
    }
    assert set(penchant.__all__) - {"__version__", "errors"} <= listed


def test_every_module_imports_and_has_a_docstring():
    for module in pkgutil.walk_packages(penchant.__path__, "penchant."):
        assert importlib.import_module(module.name).__doc__, module.name


def test_what_is_public_has_a_docstring():
    silent = []
    for source in SOURCES:
        for node in ast.parse(source.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                overloaded = any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list)
                if not overloaded and not ast.get_docstring(node):
                    silent.append(f"{source.relative_to(ROOT)}: {node.name}")
    assert silent == []


def test_no_file_holds_two_things():
    lines = {str(source.relative_to(ROOT)): len(source.read_text().splitlines()) for source in SOURCES}
    assert {source: count for source, count in lines.items() if count > 400} == {}


def test_every_exception_from_a_rule_has_its_reason():
    bare = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?::\s*[A-Z0-9, ]+|\[[\w, -]+\])?\s*$")
    blanket = re.compile(r"#\s*(?:noqa(?!:)|type:\s*ignore(?!\[))")
    found = [
        f"{source.relative_to(ROOT)}:{number}"
        for source in [*SOURCES, *sorted((ROOT / "bench").rglob("*.py"))]
        if ".envs" not in source.parts
        for number, line in enumerate(source.read_text().splitlines(), 1)
        if bare.search(line) or blanket.search(line)
    ]
    assert found == []
    config = (ROOT / "pyproject.toml").read_text()
    ignored = config[config.index("\nignore = [") : config.index("]", config.index("\nignore = ["))].splitlines()[2:]
    assert len(ignored) > 10
    assert [line for line in ignored if "#" not in line] == []


def test_constraints_pin_everything_that_is_needed():
    needed = subprocess.run(
        [sys.executable, ".ci/pins.py"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    assert len(pinned) > 20
    assert sorted(set(needed.splitlines()) - set(pinned)) == []
    assert [line for line in pinned if not re.fullmatch(r"[a-z0-9-]+==[\w.!+]+", line)] == []


def test_the_changelog_knows_the_version():
    headings = re.findall(r"(?m)^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text())
    assert headings[0] == "Unreleased" or headings[0] == penchant.__version__
    assert len(headings) == len(set(headings))


def test_the_wheel_ships_the_data_with_their_terms(tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    env = os.environ | {"PENCHANT_KERNELS": "compile"}  # it would compile the kernels for minutes
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, env=env)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith(".dist-info/METADATA"))).decode()
        terms = archive.read("penchant/data/bundled/ml-latest-small/LICENSE.txt").decode()
    assert {f"penchant/data/bundled/ml-latest-small/{table}.parquet" for table in ("interactions", "items")} <= set(
        names
    )
    assert "penchant/py.typed" in names
    assert "license conditions" in terms
    assert "License-Expression: Apache-2.0 AND LicenseRef-GroupLens-ml-latest-small" in metadata
    for file in ("LICENSE", "NOTICE", "src/penchant/data/bundled/ml-latest-small/LICENSE.txt"):
        assert f"License-File: {file}" in metadata
    assert "GroupLens" in metadata.partition("\n\n")[2]  # the README, which is the package's page
    assert not [name for name in names if name.startswith(("tests/", "bench/"))]
    assert "penchant/kernels/signatures.json" in names


def test_the_build_compiles_the_kernels_that_a_machine_needs(monkeypatch: pytest.MonkeyPatch):
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))["KernelHook"]
    built: list[str] = []
    monkeypatch.setattr(ahead, "build", lambda level, file: built.append(f"{level} {file.relative_to(ROOT)}"))
    monkeypatch.setattr(ready, "is_current", lambda file: file.stem == "x86-64-v2")
    monkeypatch.setattr(ready, "level", lambda: "x86-64-v3")
    for system, version, expected in (
        ("Linux", "standard", ["x86-64-v4-packing", "x86-64-v4", "x86-64-v3"]),
        ("Linux", "editable", ["x86-64-v3"]),
        ("Darwin", "standard", []),
    ):
        monkeypatch.delenv("PENCHANT_KERNELS", raising=False)
        monkeypatch.setattr("platform.system", lambda system=system: system)
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
        data = {"artifacts": [], "pure_python": True}
        hook(str(ROOT), {}, None, None, "", "wheel", app=Mock()).initialize(version, data)
        assert built == [f"{level} src/penchant/kernels/code/{level}.safetensors" for level in expected]
        assert (data["pure_python"] is False) is (version == "standard" and system == "Linux")
        built.clear()


def test_the_licence_is_the_apache_licence():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license"].startswith("Apache-2.0")
