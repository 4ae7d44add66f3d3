"""``python -m bench.contenders MODULE WHO FOLDER ARRAYS``: run one contender and print its numbers as JSON."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import peak_mib


def main(module: str, who: str, folder: str, arrays: str) -> None:
    """Print the numbers that the contender returns, and save its arrays for the comparison."""
    result: dict[str, Any] = getattr(importlib.import_module(f"bench.contenders.{module}"), who)(Path(folder))
    np.savez(arrays, **{key: value for key, value in result.items() if isinstance(value, np.ndarray)})
    numbers = {key: value for key, value in result.items() if not isinstance(value, np.ndarray)}
    print(json.dumps({**numbers, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
