"""Compile kernels ahead of time, for ``kernels.ready`` to call.

``python -m penchant.kernels.ahead LEVEL FILE`` compiles every kernel for the argument types that ``signatures.json``
lists, on two or more processes, for one level of processors. Numba compiles each kernel to LLVM code; a function in the
C calling convention that unpacks NumPy's arrays, and the little that remains of Numba's run-time library (allocating
scratch memory), are linked to it, and the result is emitted as one object file without references to Python or Numba.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from penchant.errors import ParameterError
from penchant.kernels import Kernel
from penchant.kernels.ready import (
    DATA,
    DIMENSIONS,
    FORMAT,
    HERE,
    LEVELS,
    SIGNATURES,
    STRIDES,
    digest,
    is_current,
    level,
    module_of,
    opened,
    places,
    symbol,
    system,
)

# what object files may leave to the C library
MATHS = ("exp", "log", "log1p", "pow", "sqrt", "tanh", "fabs", "floor", "ceil")
CLIBRARY = {"malloc", "realloc", "free", "memcpy", "memset", "memmove", *MATHS, *(f"{name}f" for name in MATHS)}
LLVM = {"i8": "i64", "u8": "i64", "i4": "i32", "u4": "i32", "f8": "double", "f4": "float", "b1": "i8"}

# Blocks of memory as Numba's code expects them: a count of references; of growing ones the address of the function that
# ends their elements, or 1 for none; unused; the address of the data (at 24); its size.
RUNTIME = """
declare ptr @malloc(i64)
declare ptr @realloc(ptr, i64)
declare void @free(ptr)

define ptr @NRT_Allocate(i64 %size) {
  %block = call ptr @malloc(i64 %size)
  ret ptr %block
}

define void @NRT_Free(ptr %block) {
  call void @free(ptr %block)
  ret void
}

define ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {
  %wide = zext i32 %align to i64
  %room = add i64 %wide, 48
  %total = add i64 %size, %room
  %block = call ptr @malloc(i64 %total)
  %nothing = icmp eq ptr %block, null
  br i1 %nothing, label %out, label %fill
fill:
  store i64 1, ptr %block
  %end = getelementptr i8, ptr %block, i64 8
  store i64 0, ptr %end
  %start = ptrtoint ptr %block to i64
  %last = sub i64 %room, 1
  %beyond = add i64 %start, %last
  %mask = sub i64 0, %wide
  %place = and i64 %beyond, %mask
  %data = inttoptr i64 %place to ptr
  %field = getelementptr i8, ptr %block, i64 24
  store ptr %data, ptr %field
  br label %out
out:
  ret ptr %block
}

define ptr @NRT_MemInfo_alloc_safe_aligned(i64 %size, i32 %align) {
  %block = call ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align)
  ret ptr %block
}

define ptr @NRT_MemInfo_new_varsize_dtor(i64 %size, ptr %ends) {
  %block = call ptr @malloc(i64 48)
  %data = call ptr @malloc(i64 %size)
  %no_block = icmp eq ptr %block, null
  %no_data = icmp eq ptr %data, null
  %nothing = or i1 %no_block, %no_data
  br i1 %nothing, label %fail, label %fill
fill:
  store i64 1, ptr %block
  %is_plain = icmp eq ptr %ends, null
  %kept = select i1 %is_plain, ptr inttoptr (i64 1 to ptr), ptr %ends
  %end = getelementptr i8, ptr %block, i64 8
  store ptr %kept, ptr %end
  %field = getelementptr i8, ptr %block, i64 24
  store ptr %data, ptr %field
  %length = getelementptr i8, ptr %block, i64 32
  store i64 %size, ptr %length
  ret ptr %block
fail:
  call void @free(ptr %block)
  call void @free(ptr %data)
  ret ptr null
}

define ptr @NRT_MemInfo_varsize_realloc(ptr %block, i64 %size) {
  %field = getelementptr i8, ptr %block, i64 24
  %data = load ptr, ptr %field
  %fresh = call ptr @realloc(ptr %data, i64 %size)
  %nothing = icmp eq ptr %fresh, null
  br i1 %nothing, label %out, label %fill
fill:
  store ptr %fresh, ptr %field
  %length = getelementptr i8, ptr %block, i64 32
  store i64 %size, ptr %length
  br label %out
out:
  ret ptr %fresh
}

define ptr @NRT_MemInfo_data_fast(ptr %block) {
  %field = getelementptr i8, ptr %block, i64 24
  %data = load ptr, ptr %field
  ret ptr %data
}

define void @NRT_MemInfo_call_dtor(ptr %block) {
  %end = getelementptr i8, ptr %block, i64 8
  %kind = load i64, ptr %end
  switch i64 %kind, label %elements [i64 0, label %out
                                     i64 1, label %data]
elements:
  %ends = load ptr, ptr %end
  %first = getelementptr i8, ptr %block, i64 24
  %of = load ptr, ptr %first
  %length = getelementptr i8, ptr %block, i64 32
  %size = load i64, ptr %length
  call void %ends(ptr %of, i64 %size, ptr null)
  br label %data
data:
  %field = getelementptr i8, ptr %block, i64 24
  %old = load ptr, ptr %field
  call void @free(ptr %old)
  br label %out
out:
  call void @free(ptr %block)
  ret void
}
"""


def _type(word: str) -> Any:
    """The type of Numba that a word of a signature names."""
    import numpy as np
    from numba import from_dtype, types

    name, _, shape = word.partition("[")
    scalar = from_dtype(np.dtype(name if name != "b1" else "?"))
    if not shape:
        return scalar
    shape = shape.rstrip("]")
    array: Any = types.Array
    return array(scalar, int(shape[0]), shape[1], readonly=shape.endswith("r"))


def _wrapper(inner: str, name: str, words: list[str], returns: str) -> str:
    """LLVM code of the function that Python calls: it unpacks arrays and calls the kernel."""
    import numpy as np

    lines, outer, passed, types = [], ["ptr %out"], ["ptr %result", "ptr %raised"], ["ptr", "ptr"]

    def load(into: str, kind: str, base: str, offset: int) -> None:
        lines.append(f"  %{into}.at = getelementptr i8, ptr {base}, i64 {offset}")
        lines.append(f"  %{into} = load {kind}, ptr %{into}.at")

    for n, word in enumerate(words):
        kind, _, shape = word.partition("[")
        if not shape:
            outer.append(f"{LLVM[kind]} %a{n}")
            if kind == "b1":
                lines.append(f"  %a{n}.bit = trunc i8 %a{n} to i1")
                passed.append(f"i1 %a{n}.bit")
                types.append("i1")
            else:
                passed.append(f"{LLVM[kind]} %a{n}")
                types.append(LLVM[kind])
            continue
        outer.append(f"ptr %a{n}")
        load(f"a{n}.data", "ptr", f"%a{n}", DATA)
        load(f"a{n}.dims", "ptr", f"%a{n}", DIMENSIONS)
        load(f"a{n}.steps", "ptr", f"%a{n}", STRIDES)
        count = "1"
        for axis in range(int(shape[0])):
            load(f"a{n}.dim{axis}", "i64", f"%a{n}.dims", 8 * axis)
            load(f"a{n}.step{axis}", "i64", f"%a{n}.steps", 8 * axis)
            lines.append(f"  %a{n}.count{axis} = mul i64 {count}, %a{n}.dim{axis}")
            count = f"%a{n}.count{axis}"
        axes = range(int(shape[0]))
        size = np.dtype(kind if kind != "b1" else "?").itemsize
        passed += ["ptr null", "ptr null", f"i64 {count}", f"i64 {size}", f"ptr %a{n}.data"]
        passed += [*(f"i64 %a{n}.dim{axis}" for axis in axes), *(f"i64 %a{n}.step{axis}" for axis in axes)]
        types += ["ptr", "ptr", "i64", "i64", "ptr", *("i64" for _ in axes), *("i64" for _ in axes)]
    answer = LLVM.get(returns)
    give = [] if answer is None else [f"  %answer = load {answer}, ptr %result", f"  store {answer} %answer, ptr %out"]
    return "\n".join([
        f'declare i32 @"{inner}"({", ".join(types)})',
        f"define i32 @{name}({', '.join(outer)}) {{",
        "  %result = alloca i64",
        "  %raised = alloca ptr",
        *lines,
        f'  %status = call i32 @"{inner}"({", ".join(passed)})',
        *give,
        "  ret i32 %status",
        "}",
    ])  # fmt: skip


def object_file(name: str) -> tuple[bytes, str]:
    """Compile one kernel for one combination of argument types: the object file, and what it returns."""
    import llvmlite.binding as llvm
    from numba import types

    from penchant.kernels.compiling import numba

    path, _, rest = name.partition("(")
    words = rest.rstrip(")").split(",")
    module, _, function = path.partition(".")
    dispatcher = getattr(importlib.import_module(f"penchant.kernels.{module}"), function).dispatcher
    arguments = tuple(map(_type, words))
    dispatcher.compile(arguments)
    compiled = dispatcher.overloads[arguments]
    given = compiled.signature.return_type
    returns = "" if given == types.none else next(w for w in LLVM if _type(w) == numba().types.unliteral(given))
    library, outer = compiled.library, symbol(name)
    linked = llvm.parse_bitcode(library._final_module.as_bitcode())  # noqa: SLF001  # Numba has no public way
    linked.link_in(llvm.parse_assembly(RUNTIME))
    linked.link_in(llvm.parse_assembly(_wrapper(compiled.fndesc.mangled_name, outer, words, returns)))
    for one in (*linked.functions, *linked.global_variables):
        if not one.is_declaration and one.name != outer:
            one.linkage = "internal"
    target = library.codegen._tm  # noqa: SLF001  # the same
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(linked, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options()))
    outside = {one.name for one in linked.functions if one.is_declaration and not one.name.startswith("llvm.")}
    if outside - CLIBRARY:
        raise RuntimeError(f"{name} needs {', '.join(sorted(outside - CLIBRARY))}, which no C library has")
    return target.emit_object(linked), returns


def _compile_some(names: list[str], out: Path) -> None:
    """What one process does: compile some kernels and write them to a file."""
    Kernel.caching = False  # a kernel from the cache has no LLVM code
    import numpy as np
    from safetensors.numpy import save_file

    made = {}
    for name in names:
        try:
            made[name] = object_file(name)
        except Exception as error:
            error.add_note(f"kernel {name}")
            raise
    arrays = {name: np.frombuffer(code, dtype=np.uint8) for name, (code, _) in made.items()}
    save_file(arrays, out, {"returns": json.dumps({name: returns for name, (_, returns) in made.items()})})


def build(name: str, file: Path, *, processes: int = 0, names: list[str] | None = None) -> int:
    """Compile all kernels (or those named) for one level of processors and write them to ``file``; return how many.

    What an incomplete file has of the present sources is kept.
    """
    from safetensors import safe_open
    from safetensors.numpy import save_file

    from penchant.kernels.threads import available

    names = json.loads(SIGNATURES.read_text()) if names is None else names
    returns, arrays = _kept(file, names)
    missing = [name for name in names if name not in arrays]
    workers = min(processes or available(), len(missing))
    sources = {path.stem: digest(path) for path in sorted(HERE.glob("*.py"))}
    cpu, further, _ = LEVELS[name]
    features = ",".join(f"+{one}" for one in further)
    with tempfile.TemporaryDirectory() as scratch:
        env = os.environ | {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
        env["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1]), *filter(None, [env.get("PYTHONPATH")])])
        parts = [Path(scratch) / f"{n}.safetensors" for n in range(workers)]
        running = [
            subprocess.Popen(  # noqa: S603  # ourselves
                [sys.executable, "-m", "penchant.kernels.ahead", "part", str(part)], env=env, stdin=subprocess.PIPE
            )
            for part in parts
        ]
        try:
            for n, process in enumerate(running):
                assert process.stdin is not None
                process.stdin.write(json.dumps(missing[n::workers]).encode())
                process.stdin.close()
            ended = [process.wait() for process in running]
        finally:
            for process in running:
                process.kill()  # where we were interrupted
        if any(ended):
            raise RuntimeError(f"the kernels could not be compiled for {name}")
        for part in parts:
            with safe_open(part, "np") as made:
                returns |= json.loads(made.metadata()["returns"])
                arrays |= {name: made.get_tensor(name) for name in made.keys()}  # noqa: SIM118  # it is no mapping
    metadata = {
        "format": FORMAT, "system": system(), "entries": json.dumps(returns), "sources": json.dumps(sources),
    }  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    save_file(arrays, fresh, metadata)
    fresh.chmod(0o644)
    fresh.replace(file)
    return len(arrays)


def _kept(file: Path, names: list[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """What the named kernels return and their object files, as far as ``file`` has them of the present sources.

    Nothing of a file that has all kernels: who builds it again wants it anew.
    """
    from safetensors import safe_open

    found = opened(file)
    if found is None or is_current(file):
        return {}, {}
    same = [name for name in names if name in found.entries and found.current(module_of(name))]
    with safe_open(file, "np") as code:
        return {name: found.entries[name] for name in same}, {name: code.get_tensor(name) for name in same}


def warm() -> Path:
    """Compile all kernels for this machine; return the file. Takes a minute or two on two cores.

    Raises ``ParameterError`` on a processor that has no level: Numba then compiles each kernel at its first call.
    """
    name = level()
    if name is None:
        raise ParameterError("kernels can be compiled ahead of time only for x86-64 processors from level v2 on")
    file = _writable_place() / f"{name}.safetensors"
    build(name, file)
    return file


def _writable_place() -> Path:
    """The first folder for machine code that can be written to."""
    for folder in places():
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise PermissionError(f"none of these folders can be written to: {', '.join(map(str, places()))}")


def main(words: list[str]) -> None:
    """``LEVEL FILE``: build; ``part FILE``: compile the kernels named on standard input."""
    what, file = words
    if what == "part":
        _compile_some(json.load(sys.stdin), Path(file))
    else:
        build(what, Path(file))


if __name__ == "__main__":
    main(sys.argv[1:])
