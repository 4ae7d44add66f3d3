"""Machine code that was compiled ahead of time: found, checked and called, without Numba.

A file ``LEVEL.safetensors`` holds one object file for each kernel and combination of argument types (``kernels.ahead``
writes it). It is used where the processor has what the level needs, and a kernel only where the sources that it was
compiled from are those of this installation. The files lie beside the kernels, where a wheel or ``penchant warm`` puts
them, or, where that folder cannot be written to, in the user's cache folder. A file there that another
user could have written is not used.

An object file has one function in the C calling convention. It takes arrays as the objects of NumPy and reads their
address, shape and strides where the C interface of NumPy has them.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import stat
import sys
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = "1"
SHARED = ("keys", "instructions", "intrinsics")  # files that others call
HERE = Path(__file__).parent
SIGNATURES = HERE / "signatures.json"  # the argument types that kernels are compiled for
V2 = ("cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3")
V3 = (*V2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")
V4 = (*V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
PACKING = ("avx512bitalg", "avx512vbmi", "avx512vbmi2", "avx512vpopcntdq")  # counts bits and packs bytes in vectors
# levels of the x86-64 processor supplement, best first: the processor's name for LLVM, further and needed features
LEVELS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "x86-64-v4-packing": ("x86-64-v4", PACKING, (*V4, *PACKING)),
    "x86-64-v4": ("x86-64-v4", (), V4),
    "x86-64-v3": ("x86-64-v3", (), V3),
    "x86-64-v2": ("x86-64-v2", (), V2),
}
SCALARS: dict[type, str] = {
    int: "i8", np.int64: "i8", float: "f8", np.float64: "f8", bool: "b1", np.bool_: "b1", np.float32: "f4",
    np.int32: "i4", np.uint32: "u4", np.uint64: "u8",
}  # fmt: skip
TYPES: dict[str, tuple[Any, type]] = {  # in C, and what Python passes for it
    "i8": (ctypes.c_int64, int), "u8": (ctypes.c_uint64, int), "i4": (ctypes.c_int32, int),
    "u4": (ctypes.c_uint32, int), "f8": (ctypes.c_double, float), "f4": (ctypes.c_float, float),
    "b1": (ctypes.c_bool, bool),
}  # fmt: skip
DATA, DIMENSIONS, STRIDES = 16, 32, 40  # bytes from the start of an array object to these fields, in 64-bit NumPy
FINE = (0, -2)  # what Numba's functions return if they raise nothing


def described(args: tuple[Any, ...]) -> str | None:
    """The types of the arguments as text, or None where there is one that no kernel takes."""
    words = []
    for one in args:
        if type(one) is np.ndarray:
            flags = one.flags
            order = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
            if not flags.aligned or one.dtype.str[0] not in "<|":
                return None
            words.append(f"{one.dtype.str[1:]}[{one.ndim}{order}{'' if flags.writeable else 'r'}]")
        elif type(one) in SCALARS:
            words.append(SCALARS[type(one)])
        else:
            return None
    return ",".join(words)


def machine_code(function: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any] | None:
    """The compiled function for arguments of these types, or None where none lies ready."""
    found = _in_use()
    return None if found is None else found.function(function, args)


def _called(
    code: MachineCode, address: int, words: list[str], returns: str, args: tuple[Any, ...]
) -> Callable[..., Any]:
    """A Python function around the function at this address, which keeps the code that it calls in memory."""
    takes = [ctypes.py_object if "[" in word else TYPES[word][0] for word in words]
    casts = [
        (n, TYPES[word][1])
        for n, word in enumerate(words)
        if "[" not in word and type(args[n]) not in (int, float, bool)
    ]
    native = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *takes)(address)  # releases the GIL
    answer = TYPES[returns][0] if returns else None

    def call(*given: Any) -> Any:
        if casts:
            plain = list(given)
            for n, cast in casts:
                plain[n] = cast(plain[n])
            given = tuple(plain)
        out = answer() if answer is not None else None
        status = native(ctypes.byref(out) if out is not None else None, *given)
        if status not in FINE:
            raise MemoryError(f"a kernel of {code.path} failed with status {status}")
        return out.value if out is not None else None

    return call


class MachineCode:
    """One file of machine code, and the engine that links what is used of it into this process."""

    def __init__(self, path: Path, metadata: dict[str, str]) -> None:
        self.path = path
        self.entries: dict[str, str] = json.loads(metadata["entries"])  # name of an object file: what it returns
        self.sources: dict[str, str] = json.loads(metadata["sources"])
        self._engine: Any = None
        self._current: dict[str, bool] = {}

    def current(self, module: str) -> bool:
        """Whether it was compiled from the present sources of a module."""
        for name in (module, *SHARED):
            if name not in self._current:
                self._current[name] = self.sources.get(name) == digest(HERE / f"{name}.py")
        return all(self._current[name] for name in (module, *SHARED))

    def function(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any] | None:
        """The compiled function for arguments of these types, or None where it has none or an outdated one."""
        words = described(args)
        module = function.__module__.rpartition(".")[2]
        name = f"{module}.{function.__name__}({words})"
        if words is None or name not in self.entries or not self.current(module):
            return None
        return _called(self, self._address(name), words.split(","), self.entries[name], args)

    def _address(self, name: str) -> int:
        """Link one object file into this process; return the address of its function."""
        import llvmlite.binding as llvm
        from safetensors import safe_open

        if self._engine is None:
            self._engine = _engine(llvm)
        with safe_open(self.path, "np") as file:
            code = file.get_tensor(name).tobytes()
        self._engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        return int(self._engine.get_function_address(symbol(name)))


def symbol(name: str) -> str:
    """The symbol of an object file's function."""
    return "penchant_" + hashlib.sha256(name.encode()).hexdigest()[:32]


def _engine(llvm: Any) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)


@cache
def digest(path: Path) -> str:
    """The SHA-256 of a source file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def system() -> str:
    """The kind of object file and calling convention that this process links."""
    return f"{platform.system()} {platform.machine()}"


def level() -> str | None:
    """The best level that this processor has, None where there is none."""
    import llvmlite.binding as llvm

    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return None
    here = llvm.get_host_cpu_features()
    return next((name for name, (_, _, needs) in LEVELS.items() if all(here.get(one) for one in needs)), None)


def places() -> list[Path]:
    """The folders of machine code: beside the kernels, and in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return [HERE / "code", Path(home) / "penchant" / "kernels"]


def _is_ours(path: Path) -> bool:
    """Whether it belongs to the installation, or no other user can write the file or the folder that it lies in."""
    if path.parent.parent == HERE:  # who can write there can also write the kernels themselves
        return True
    if not hasattr(os, "getuid"):
        return False
    for one in (path, path.parent):
        facts = one.stat()
        if facts.st_uid not in (0, os.getuid()) or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return False
    return True


def _fields_lie_right() -> bool:
    """Whether arrays are laid out in memory as the machine code expects."""
    if sys.maxsize < 2**32 or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    array = np.zeros((3, 5), dtype=np.float32)[:, :4]
    at = id(array)
    fields = [ctypes.c_void_p.from_address(at + offset).value for offset in (DATA, DIMENSIONS, STRIDES)]
    if fields[0] != array.ctypes.data or fields[1] is None or fields[2] is None:
        return False
    return [list((ctypes.c_int64 * 2).from_address(field or 0)) for field in fields[1:]] == [[3, 4], [20, 4]]


def file() -> Path | None:
    """The file of machine code in use, if it has every kernel as it now is."""
    found = _in_use()
    return found.path if found is not None and is_current(found.path) else None


def is_current(path: Path) -> bool:
    """Whether a file has every kernel, compiled from the present sources."""
    found = opened(path)
    wanted = set(json.loads(SIGNATURES.read_text()))
    return found is not None and set(found.entries) == wanted and all(map(found.current, map(module_of, wanted)))


def module_of(name: str) -> str:
    """The kernel file that an entry comes from."""
    return name.partition(".")[0]


@cache
def _in_use() -> MachineCode | None:
    """The machine code for this processor; None where none lies ready or the compiler is wanted."""
    if any(os.environ.get(name, "0") != "0" for name in ("NUMBA_BOUNDSCHECK", "NUMBA_DISABLE_JIT")):
        return None
    if os.environ.get("PENCHANT_KERNELS") == "compile":
        return None
    files = [folder for folder in places() if folder.is_dir()]
    name = level() if files else None
    if name is None:
        return None
    for folder in files:
        path = folder / f"{name}.safetensors"
        if path.is_file() and _is_ours(path) and (found := opened(path)) is not None and _fields_lie_right():
            return found
    return None


def opened(path: Path) -> MachineCode | None:
    """A file of machine code, or None where it is missing, damaged, or of another format or system."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            found: dict[str, str] = file.metadata() or {}
    except (OSError, SafetensorError):
        return None
    return MachineCode(path, found) if (found.get("format"), found.get("system")) == (FORMAT, system()) else None
