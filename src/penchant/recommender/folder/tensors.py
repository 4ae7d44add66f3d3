"""Named arrays in one safetensors file: written without a copy in memory, read by mapping the file.

The format is that of https://github.com/huggingface/safetensors: eight bytes of header length, a JSON header with the
dtype, shape and offsets of every array, then the arrays. Nothing in it can run.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from penchant.errors import FormatError
from penchant.recommender.folder.manifest import open_regular

Arrays = Mapping[str, NDArray[Any]]

DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip
_CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
_MAX_HEADER = 64 * 2**20
MOST_ARRAYS = 10_000
_CHUNK = 16 * 2**20
_BESIDE = 2**20  # bytes from which on a thread for the hash is worth it


def code(array: NDArray[Any]) -> str:
    """The name of an array's dtype in the format; raises ``FormatError`` for a dtype that it lacks."""
    name = _CODES.get(array.dtype)
    if name is None:
        raise FormatError(f"an array of {array.dtype} cannot be saved")
    return name


def digest(arrays: Arrays) -> str:
    """The SHA-256 of the file that ``write`` makes: equal exactly if names, dtypes, shapes and contents are."""
    head, order = _layout(arrays)
    return _sha256(head, arrays, order)


def write(path: Path, arrays: Arrays) -> dict[str, Any]:
    """Write arrays to a new file, the widest dtypes first so that every array is aligned, and on to the disk.

    Returns its size and SHA-256, as a manifest states them.
    """
    from penchant.kernels.threads import crew

    head, order = _layout(arrays)
    size = sum(arrays[name].nbytes for name in order)
    with path.open("xb") as file, crew(0 if size > _BESIDE else 1) as hands:
        hashing = None if hands is None else hands.submit(_sha256, head, arrays, order)  # beside the writing
        file.write(head)
        for name in order:
            for chunk in _chunks(arrays[name]):
                file.write(chunk)
        file.flush()
        os.fsync(file.fileno())  # while the hash is computed
        sha = _sha256(head, arrays, order) if hashing is None else hashing.result()
    return {"bytes": len(head) + size, "sha256": sha}


def _layout(arrays: Arrays) -> tuple[bytes, list[str]]:
    """What stands before the arrays in a file, and their order."""
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {}
    at = 0
    for name in order:
        array = arrays[name]
        header[name] = {"dtype": code(array), "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, order


def _sha256(head: bytes, arrays: Arrays, order: list[str]) -> str:
    sha = hashlib.sha256(head)
    for name in order:
        for chunk in _chunks(arrays[name]):
            sha.update(chunk)
    return sha.hexdigest()


def describe(array: NDArray[Any]) -> str:
    """Dtype and shape as a manifest states them: ``F32[3, 4]``."""
    return f"{code(array)}{list(array.shape)}"


def read(path: Path, *, finite: bool = False) -> dict[str, NDArray[Any]]:
    """The arrays of a file, mapped into memory: pages are read on use, and changes stay private.

    ``finite`` reads every number once and refuses NaN and infinities. Raises ``FormatError`` unless the header
    describes every byte of the file.
    """
    with open_regular(path) as file:
        return read_file(file, path.name, finite=finite)


def read_file(file: IO[bytes], name: str, *, finite: bool = False) -> dict[str, NDArray[Any]]:
    """As ``read``, of an open file; ``name`` is that in messages."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(8)
    length = int.from_bytes(head, "little")
    if len(head) < 8 or not 2 <= length <= min(size - 8, _MAX_HEADER):
        raise FormatError(f"{name} is truncated or not a safetensors file")
    header = _header(name, file.read(length))
    _check(name, header, size - 8 - length)
    if finite:
        for key, spec in header.items():
            file.seek(8 + length + spec["data_offsets"][0])
            _check_finite(file, f"{name}: {key!r}", spec)
    if size == 8 + length:
        data: Any = b""  # an empty range cannot be mapped; all arrays are empty
    else:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    base = 8 + length if data else 0
    return {
        key: np.ndarray(tuple(spec["shape"]), DTYPES[spec["dtype"]], data, base + spec["data_offsets"][0])
        if spec["data_offsets"][0] < spec["data_offsets"][1]
        else np.empty(tuple(spec["shape"]), DTYPES[spec["dtype"]])
        for key, spec in header.items()
    }


def _header(name: str, text: bytes) -> dict[str, dict[str, Any]]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise FormatError(f"{name}: the header is not JSON") from None
    if not isinstance(header, dict):
        raise FormatError(f"{name}: the header is not an object")
    header.pop("__metadata__", None)
    if len(header) > MOST_ARRAYS:
        raise FormatError(f"{name} has {len(header):,} arrays: more than {MOST_ARRAYS:,}")
    return header


def _check(name: str, header: Mapping[str, Any], size: int) -> None:
    """Check that every byte of the data belongs to exactly one array, with the size of its dtype and shape."""
    spans: list[tuple[int, int]] = []
    for key, spec in header.items():
        if not isinstance(spec, dict) or set(spec) != {"dtype", "shape", "data_offsets"}:
            raise FormatError(f"{name}: the header of {key!r} is not a dtype, a shape and offsets")
        shape, span = spec["shape"], spec["data_offsets"]
        whole = isinstance(shape, list) and isinstance(span, list) and len(span) == 2
        if not whole or not all(type(n) is int and n >= 0 for n in [*shape, *span]):
            raise FormatError(f"{name}: {key!r} has a shape or offsets that are not whole numbers")
        if not isinstance(spec["dtype"], str) or spec["dtype"] not in DTYPES:
            raise FormatError(f"{name}: {key!r} has the unknown dtype {spec['dtype']!r}")
        if span[1] - span[0] != math.prod(shape) * np.dtype(DTYPES[spec["dtype"]]).itemsize:
            raise FormatError(f"{name}: {key!r} does not match its offsets")
        spans.append((span[0], span[1]))
    at = 0
    for start, stop in sorted(spans):
        if start != at:
            raise FormatError(f"{name}: its arrays leave a gap or overlap at byte {min(start, at)}")
        at = stop
    if at != size:
        raise FormatError(f"{name} is {'truncated' if at > size else 'too long'}: {size} bytes of data, {at} described")


def _check_finite(file: IO[bytes], name: str, spec: Mapping[str, Any]) -> None:
    """Check the numbers of an array, which begin here in the file; they are read beside the mapping, to keep the memory
    of the process small."""
    dtype = np.dtype(DTYPES[spec["dtype"]])
    left = spec["data_offsets"][1] - spec["data_offsets"][0] if dtype.kind == "f" else 0
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk or not np.isfinite(np.frombuffer(chunk, dtype)).all():
            raise FormatError(f"{name} is {'not finite: it holds NaN or infinities' if chunk else 'truncated'}")
        left -= len(chunk)


def _chunks(array: NDArray[Any]) -> list[memoryview]:
    if array.nbytes == 0:
        return []
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    return [flat[lo : lo + _CHUNK] for lo in range(0, len(flat), _CHUNK)]
