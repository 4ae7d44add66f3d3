"""Single instructions of the processor that Python has no word for; inside kernels only."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _ones(_context: Any, word: Any) -> Any:
    """How many bits of a word are set: one instruction, or one for several words where the processor has it."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), generate


def _lowest(_context: Any, word: Any) -> Any:
    """Which is the lowest bit set of a word that is not zero."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return word(word), generate


def _prefetch(_context: Any, array: Any, _place: Any) -> Any:
    """Fetch the cache line of ``array[place]``, which will be read soon; the place may lie outside."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        here = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        takes = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], takes)
        builder.call(fetch, [here, number(0), number(3), number(1)])  # to read, into the nearest cache, data
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


# inside kernels they take the words or the array and its place alone
ones: Any = intrinsic(_ones)
lowest: Any = intrinsic(_lowest)
prefetch: Any = intrinsic(_prefetch)
