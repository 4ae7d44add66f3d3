"""Kernels that were compiled ahead of time: their results are those of Numba, and nothing doubtful is linked."""

from __future__ import annotations

import gc
import importlib
import json
import os
import re
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from penchant.kernels import Kernel, ahead, ragged, ready
from penchant.kernels.keys import keep_best

NAMES = [
    "ragged.repeats(i8[1C],i4[1C],i8)",
    "ragged.by_item(i8[1C],i4[1C],i8[1C],i4[1C],i8[1C])",
    "coarse.still(i4[1C],f4[1C],i8,f4)",
    "blend.add_scaled(i8,i8,f4[2C],b1,f8,f4[2C],b1[2C])",
]
LEVEL = ready.level() or ""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few kernels for this processor: scratch memory, sorts, scalars of all kinds, matrices."""
    file = tmp_path_factory.mktemp("kernels") / f"{LEVEL}.safetensors"
    assert ahead.build(LEVEL, file, names=NAMES) == len(NAMES)
    return file


@pytest.fixture
def in_use(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The cached search for machine code starts and ends empty, and nobody asked for the compiler."""
    for name in ("NUMBA_BOUNDSCHECK", "NUMBA_DISABLE_JIT", "PENCHANT_KERNELS"):
        monkeypatch.delenv(name, raising=False)
    ready._in_use.cache_clear()
    yield
    ready._in_use.cache_clear()


def calls() -> list[tuple[str, str, list[Any]]]:
    rng = np.random.default_rng(0)
    items = rng.integers(0, 50, 1000).astype(np.int32)
    indptr = np.arange(0, 1001, 10)
    matrix, everything = rng.random((7, 9), dtype=np.float32), np.ones((7, 9), np.bool_)
    return [
        ("ragged", "repeats", [indptr, items, 50]),
        ("ragged", "repeats", [np.array([0, 2]), np.array([3, 4], np.int32), 5]),
        ("ragged", "by_item", [indptr, items, np.zeros(51, np.int64), np.zeros(1000, np.int32), np.zeros(1000, int)]),
        ("coarse", "still", [items.copy(), rng.random(1000, dtype=np.float32), np.int64(600), np.float32(0.5)]),
        ("blend", "add_scaled", [0, 7, matrix, True, 0.25, np.zeros((7, 9), np.float32), everything]),
        ("blend", "add_scaled", [0, 7, matrix, np.bool_(False), np.float64(2), matrix.copy(), everything]),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(len(calls())))
def test_a_kernel_gives_the_same_bits_as_numba(built: Path, number: int) -> None:
    module, name, given = calls()[number]
    kernel = getattr(importlib.import_module(f"penchant.kernels.{module}"), name)
    code = ready.opened(built)
    assert code is not None
    compiled = code.function(kernel.py_func, tuple(given))
    assert compiled is not None
    mine, numbas = calls()[number][2], calls()[number][2]
    answer, expected = compiled(*mine), kernel.dispatcher(*numbas)
    assert answer == expected and type(answer) is type(expected)
    for a, b in zip(mine, numbas, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(mine, given, strict=True)) or answer is not None


def test_a_function_keeps_the_code_that_it_calls(built: Path) -> None:
    repeats = importlib.import_module("penchant.kernels.ragged").repeats
    code = ready.opened(built)
    assert code is not None
    args = (np.array([0, 2]), np.array([3, 3], np.int32), 5)
    function, gone = code.function(repeats.py_func, args), weakref.ref(code)
    assert function is not None
    del code
    gc.collect()
    assert gone() is not None
    assert function(*args) is True


def test_code_is_at_hand_where_it_lies_ready_or_was_called(
    built: Path, in_use: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready, "places", lambda: [built.parent])
    indptr, items = np.array([0, 2]), np.array([3, 4], np.int32)
    mine, other = Kernel(ragged.repeats.py_func, {}), Kernel(ragged.repeats.py_func, {})
    code = mine.at_hand((indptr, items, 5))
    assert code is not None and code(indptr, items, 5) is False and "dispatcher" not in vars(mine)
    monkeypatch.setenv("PENCHANT_KERNELS", "compile")
    ready._in_use.cache_clear()
    assert other.at_hand((indptr, items, 5)) is None
    assert other(indptr, items, 5) is False
    assert other.at_hand((indptr, items, 5)) is other.dispatcher


def test_types_that_are_not_there_are_left_to_numba(built: Path) -> None:
    code, repeats = ready.opened(built), importlib.import_module("penchant.kernels.ragged").repeats
    assert code is not None
    indptr, items = np.arange(0, 1001, 10), np.zeros(1000, np.int32)
    assert code.function(repeats.py_func, (indptr, items, 50)) is not None
    assert code.function(repeats.py_func, (indptr, items.astype(np.int64), 50)) is None
    assert code.function(repeats.py_func, (indptr, items[::2], 50)) is None
    assert code.function(repeats.py_func, (indptr, items.astype(">i4"), 50)) is None
    assert code.function(repeats.py_func, (indptr, items, None)) is None
    items.flags.writeable = False
    assert code.function(repeats.py_func, (indptr, items, 50)) is None


def test_code_from_other_sources_is_not_called(built: Path, tmp_path: Path) -> None:
    repeats = importlib.import_module("penchant.kernels.ragged").repeats
    args = (np.array([0, 2]), np.array([3, 4], np.int32), 5)
    with safe_open(built, "np") as file:
        facts, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for changed, there in (("ragged", False), ("keys", False), ("intrinsics", False), ("pairs", True)):
        other = json.dumps({**json.loads(facts["sources"]), changed: "0" * 64})
        save_file(arrays, tmp_path / "a.safetensors", {**facts, "sources": other})
        code = ready.opened(tmp_path / "a.safetensors")
        assert code is not None and (code.function(repeats.py_func, args) is not None) is there
    for wrong in ({"format": "0"}, {"system": "Plan9 mips"}):
        save_file(arrays, tmp_path / "b.safetensors", {**facts, **wrong})
        assert ready.opened(tmp_path / "b.safetensors") is None
    (tmp_path / "c.safetensors").write_bytes(built.read_bytes()[:100])
    assert ready.opened(tmp_path / "c.safetensors") is None
    assert not ready.is_current(built)  # it has only a few of the kernels


@pytest.mark.usefixtures("in_use")
def test_a_file_that_others_can_write_is_not_used(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "places", lambda: [tmp_path])
    tmp_path.chmod(0o755)
    file = tmp_path / built.name
    file.write_bytes(built.read_bytes())
    for mode, used in ((0o644, True), (0o664, False), (0o646, False), (0o600, True)):
        file.chmod(mode)
        ready._in_use.cache_clear()
        assert (ready._in_use() is not None) is used
    tmp_path.chmod(0o777)
    ready._in_use.cache_clear()
    assert ready._in_use() is None


@pytest.mark.usefixtures("in_use")
@pytest.mark.parametrize("setting", ["NUMBA_BOUNDSCHECK=1", "NUMBA_DISABLE_JIT=1", "PENCHANT_KERNELS=compile"])
def test_who_wants_the_compiler_gets_it(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setattr(ready, "places", lambda: [tmp_path])
    tmp_path.chmod(0o755)
    (tmp_path / built.name).write_bytes(built.read_bytes())
    assert ready._in_use() is not None
    ready._in_use.cache_clear()
    monkeypatch.setenv(*setting.split("="))
    assert ready._in_use() is None


def test_levels_ask_for_what_they_are_compiled_with(monkeypatch: pytest.MonkeyPatch) -> None:
    import llvmlite.binding as llvm

    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    everything = {feature for _, _, needs in ready.LEVELS.values() for feature in needs}
    for name, missing in {
        "x86-64-v4-packing": "", "x86-64-v4": "avx512vbmi2", "x86-64-v3": "avx512f", "x86-64-v2": "avx2",
    }.items():  # fmt: skip
        here = {feature: feature != missing for feature in everything}
        monkeypatch.setattr(llvm, "get_host_cpu_features", lambda here=here: here)
        assert ready.level() == name
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"sse2": True})
    assert ready.level() is None
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert ready.level() is None


def test_no_other_process_needs_numba(built: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from penchant.kernels import ready; "
        "ready.places = lambda: [Path(sys.argv[1])]; from penchant.kernels.ragged import repeats; "
        "print(repeats(np.array([0, 2]), np.array([3, 3], np.int32), 5), 'numba' in sys.modules)"
    )
    built.parent.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA") and k != "PENCHANT_KERNELS"}
    done = subprocess.run(
        [sys.executable, "-c", code, built.parent], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout.split() == ["True", "False"]


def test_a_build_compiles_only_what_is_missing(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("a compiler was started")

    file = tmp_path / built.name
    file.write_bytes(built.read_bytes())
    monkeypatch.setattr("subprocess.Popen", refuse)
    assert ahead.build(LEVEL, file, names=NAMES) == len(NAMES)
    (before, after) = (ready.opened(one) for one in (built, file))
    assert before is not None and after is not None and after.entries == before.entries
    with pytest.raises(AssertionError, match="a compiler"):
        ahead.build(LEVEL, file, names=[*NAMES, "coarse.still(i4[1C],f4[1C],i8,f8)"])
    monkeypatch.setattr(ready.MachineCode, "current", lambda code, module: module != "ragged")  # changed since
    with pytest.raises(AssertionError, match="a compiler"):
        ahead.build(LEVEL, file, names=NAMES)


def test_every_kernel_that_others_call_is_listed() -> None:
    listed = {name.partition("(")[0] for name in json.loads(ready.SIGNATURES.read_text())}
    package = ready.HERE.parent
    outside = "".join(p.read_text() for p in package.rglob("*.py") if p.parent != ready.HERE)
    called = set()
    for module, names in re.findall(r"from penchant\.kernels\.(\w+) import \(?([\w, \n]+)", outside):
        there = vars(importlib.import_module(f"penchant.kernels.{module}"))
        called |= {f"{module}.{name}" for name in re.findall(r"\w+", names) if isinstance(there.get(name), Kernel)}
    assert called <= listed and len(called) > 40
    assert isinstance(keep_best, Kernel)


def test_a_damaged_list_of_types_fails_the_build(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match=f"could not be compiled for {LEVEL}"):
        ahead.build(LEVEL, tmp_path / "x.safetensors", names=["ragged.repeats(i8[1C],i4[1C])"])
    assert "repeats" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())
