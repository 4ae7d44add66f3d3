"""Processor instructions that Python cannot express, for single words and for vectors; for use inside kernels only.

Each name stands for the intrinsic of the same name in ``intrinsics``, which is loaded when a kernel is compiled: a
kernel that was compiled ahead of time needs no compiler.
"""

from __future__ import annotations

from typing import Any


class Instruction:
    """A stand-in that the compiler resolves to an intrinsic."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def _numba_type_(self) -> Any:  # what Numba asks any object that it meets
        from numba.core.registry import cpu_target

        from penchant.kernels import intrinsics

        cpu_target.typing_context.refresh()
        return cpu_target.typing_context.resolve_value_type(getattr(intrinsics, self.name))


ones: Any = Instruction("ones")
lowest: Any = Instruction("lowest")
prefetch: Any = Instruction("prefetch")
copy_eight: Any = Instruction("copy_eight")
add_four: Any = Instruction("add_four")
pack_met: Any = Instruction("pack_met")
reaching: Any = Instruction("reaching")
filled: Any = Instruction("filled")
pack_between: Any = Instruction("pack_between")
