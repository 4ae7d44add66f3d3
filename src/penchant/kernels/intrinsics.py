"""Processor instructions as intrinsics of Numba: what ``instructions`` loads when a kernel is compiled."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from llvmlite.binding import llvm_version_info
from numba import types
from numba.extending import intrinsic

WORD = 64  # bits
COMPRESSES = (19,)  # first LLVM version that can pack a vector in a register


def _ones(_context: Any, word: Any) -> Any:
    """The number of set bits in a word: one instruction, or one for several words where the processor supports it."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), generate


def _lowest(_context: Any, word: Any) -> Any:
    """The index of the lowest set bit of a non-zero word."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return word(word), generate


def _prefetch(_context: Any, array: Any, _place: Any) -> Any:
    """Prefetch the cache line of ``array[place]``, to be read soon; the place may be out of bounds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        here = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        takes = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], takes)
        builder.call(fetch, [here, number(0), number(3), number(1)])  # for reading, into the nearest cache, as data
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


# inside kernels, these take only the word, or the array and the place
ones: Any = intrinsic(_ones)
lowest: Any = intrinsic(_lowest)
prefetch: Any = intrinsic(_prefetch)


# -- vectors: several elements at once, starting at any place; addresses need not be aligned ------------------------


def _at(context: Any, builder: Any, of: Any, array: Any, place: Any, vector: Any) -> Any:
    data = context.make_array(of)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), vector.as_pointer())


def _read(builder: Any, here: Any) -> Any:
    vector = builder.load(here)
    vector.align = 1
    return vector


def _write(builder: Any, vector: Any, here: Any) -> None:
    builder.store(vector, here).align = 1


def _all(builder: Any, number: Any, element: Any, lanes: int) -> Any:
    """A vector with all elements equal to ``number``."""
    vector, none = ir.VectorType(element, lanes), ir.Constant(ir.IntType(32), 0)
    number = builder.trunc(number, element) if element.width < number.type.width else number
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, none)
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


def _function(module: Any, takes: Any, name: str) -> Any:
    return module.globals[name] if name in module.globals else ir.Function(module, takes, name)


def _write_chosen(builder: Any, vector: Any, chosen: Any, here: Any) -> None:
    """Write the chosen elements of a vector contiguously. Up to one vector width from ``here`` may be overwritten."""
    of, mask = vector.type, chosen.type
    suffix = f"v{of.count}i{of.element.width}"
    if llvm_version_info >= COMPRESSES:  # pack in a register first: packing to memory is slow on some processors
        takes = ir.FunctionType(of, [of, mask, of])
        pack = _function(builder.module, takes, f"llvm.experimental.vector.compress.{suffix}")
        _write(builder, builder.call(pack, [vector, chosen, ir.Constant(of, ir.Undefined)]), here)
        return
    takes = ir.FunctionType(ir.VoidType(), [of, here.type, mask])
    store = _function(builder.module, takes, f"llvm.masked.compressstore.{suffix}")
    builder.call(store, [vector, here, chosen])


def _how_many(builder: Any, chosen: Any) -> Any:
    bits = builder.bitcast(chosen, ir.IntType(chosen.type.count))
    bits = bits if bits.type.width == WORD else builder.zext(bits, ir.IntType(WORD))
    return builder.ctpop(bits)


def _copy_eight(_context: Any, source: Any, _place: Any, out: Any, _to: Any) -> Any:
    """``out[to : to + 8] = source[at : at + 8]``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        of, (source_, at, out_, to) = signature.args, arguments
        vector = ir.VectorType(ir.IntType(source.dtype.bitwidth), 8)
        eight = _read(builder, _at(context, builder, of[0], source_, at, vector))
        _write(builder, eight, _at(context, builder, of[2], out_, to, vector))
        return context.get_dummy_value()

    return types.void(source, types.intp, out, types.intp), generate


def _add_four(_context: Any, row: Any, _place: Any, _factor: Any, out: Any, _to: Any) -> Any:
    """``out[to : to + 4] += factor * row[at : at + 4]`` for C-ordered arrays of any dimensions, by flat index."""
    lanes = 4

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        of, (row_, at, factor, out_, to) = signature.args, arguments
        vector = ir.VectorType(ir.DoubleType(), lanes)
        one = builder.insert_element(ir.Constant(vector, ir.Undefined), factor, ir.Constant(ir.IntType(32), 0))
        same = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
        product = builder.fmul(
            _read(builder, _at(context, builder, of[0], row_, at, vector)), builder.shuffle_vector(one, one, same)
        )
        here = _at(context, builder, of[3], out_, to, vector)
        _write(builder, builder.fadd(_read(builder, here), product), here)
        return context.get_dummy_value()

    return types.void(row, types.intp, types.float64, out, types.intp), generate


def _pack_met(
    _context: Any, points: Any, before: Any, _place: Any, _times: Any, _least: Any, out: Any, _to: Any
) -> Any:
    """From the 64 bytes of ``points`` at ``at``, write those that are at least ``least`` and whose ``before`` equals
    ``times`` to ``out[to:]``, in order; return how many."""
    lanes = 64 * 8 // points.dtype.bitwidth

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        of, (points_, before_, at, times, least, out_, to) = signature.args, arguments
        point, met = (ir.IntType(array.dtype.bitwidth) for array in (points, before))
        some, many = ir.VectorType(point, lanes), ir.VectorType(met, lanes)
        names = _read(builder, _at(context, builder, of[0], points_, at, some))
        counts = _read(builder, _at(context, builder, of[1], before_, at, many))
        chosen = builder.and_(
            builder.icmp_unsigned("==", counts, _all(builder, times, met, lanes)),
            builder.icmp_unsigned(">=", names, _all(builder, least, point, lanes)),
        )
        _write_chosen(builder, names, chosen, _at(context, builder, of[5], out_, to, some))
        return _how_many(builder, chosen)

    takes = (points, before, types.intp, types.int64, types.int64, out, types.intp)
    return types.int64(*takes), generate


def _reaching(_context: Any, numbers: Any, _place: Any, _bound: Any) -> Any:
    """How many of the 64 ``numbers`` (int32) at ``at`` are at least ``bound``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, (numbers_, at, bound) = ir.IntType(32), arguments
        some = _read(builder, _at(context, builder, signature.args[0], numbers_, at, ir.VectorType(number, 64)))
        return _how_many(builder, builder.icmp_signed(">=", some, _all(builder, bound, number, 64)))

    return types.int64(numbers, types.intp, types.int64), generate


def _pack_between(
    _context: Any, numbers: Any, points: Any, _place: Any, _least: Any, _below: Any, out: Any, to_points: Any, _to: Any
) -> Any:
    """From the 16 ``numbers`` (int32) at ``at``, write those in ``[least, below)`` to ``out[to:]`` and their points (as
    int32) to ``to_points[to:]``; return how many."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        of, (numbers_, points_, at, least, below, out_, to_points_, to) = signature.args, arguments
        number, point = ir.IntType(32), ir.IntType(points.dtype.bitwidth)
        vector = ir.VectorType(number, 16)
        some = _read(builder, _at(context, builder, of[0], numbers_, at, vector))
        names = _read(builder, _at(context, builder, of[1], points_, at, ir.VectorType(point, 16)))
        names = names if point == number else builder.zext(names, vector)
        chosen = builder.and_(
            builder.icmp_signed(">=", some, _all(builder, least, number, 16)),
            builder.icmp_signed("<", some, _all(builder, below, number, 16)),
        )
        _write_chosen(builder, some, chosen, _at(context, builder, of[5], out_, to, vector))
        _write_chosen(builder, names, chosen, _at(context, builder, of[6], to_points_, to, vector))
        return _how_many(builder, chosen)

    takes = (numbers, points, types.intp, types.int64, types.int64, out, to_points, types.intp)
    return types.int64(*takes), generate


def _filled(_context: Any, words: Any, _place: Any) -> Any:
    """A word whose bit n says whether the n-th of the 64 ``words`` (uint64) at ``at`` is non-zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(WORD), 64)
        some = _read(builder, _at(context, builder, signature.args[0], arguments[0], arguments[1], vector))
        return builder.bitcast(builder.icmp_unsigned("!=", some, ir.Constant(vector, None)), ir.IntType(WORD))

    return types.uint64(words, types.intp), generate


copy_eight: Any = intrinsic(_copy_eight)
add_four: Any = intrinsic(_add_four)
pack_met: Any = intrinsic(_pack_met)
reaching: Any = intrinsic(_reaching)
filled: Any = intrinsic(_filled)
pack_between: Any = intrinsic(_pack_between)
