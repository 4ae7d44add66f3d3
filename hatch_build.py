"""What the build adds to the package: the kernels, compiled ahead of time.

A wheel has them for every level of x86-64 processors, an editable installation for that of this machine. Where they
cannot be compiled (another system or processor, or ``PENCHANT_KERNELS=compile``) the package has none of them, and
Numba compiles each kernel at its first call.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TAG = "py3-none-manylinux2014_x86_64"  # object files for Linux that need only old functions of its C library


class KernelHook(BuildHookInterface):
    """Compiles the kernels before the files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile what is missing or was compiled from other sources."""
        if (platform.system(), platform.machine()) != ("Linux", "x86_64") or os.environ.get("PENCHANT_KERNELS"):
            return
        source = Path(self.root, "src")
        sys.path.insert(0, str(source))
        try:
            from penchant.kernels import ahead, ready
        finally:
            sys.path.remove(str(source))
        own = ready.level()
        for level in list(ready.LEVELS) if version == "standard" else filter(None, [own]):
            file = source / "penchant" / "kernels" / "code" / f"{level}.safetensors"
            if not ready.is_current(file):
                self.app.display_info(f"compiling the kernels for {level} processors")
                ahead.build(level, file)
        if version == "standard":
            build_data["pure_python"] = False
            build_data["tag"] = TAG
            build_data["artifacts"].append("src/penchant/kernels/code/*.safetensors")
