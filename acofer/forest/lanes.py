"""Vectors of lanes that stay in registers: the little SIMD that numba leaves out.

A value of the numba type `Lanes` is one LLVM vector, e.g. 64 bytes. Within a compiled kernel it is
added, compared and chosen from like a number; LLVM maps it to whatever the machine has (one AVX-512
register, two of AVX2, four of NEON). Numba's own vectoriser does not reach this: it promotes small
integers and keeps accumulators in memory.

Lane arithmetic wraps like numpy's; floats are float32, rounded to nearest after every operation, with
no fused operations, so that the same formula in numpy gives the same bits.

Most operations take a vector ``like`` whose width they follow; all kernels are written once and
compiled for each width they meet.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import extending, types
from numba.core.extending import models, overload, register_model

_ELEMENTS = {
    "uint8": ir.IntType(8),
    "uint16": ir.IntType(16),
    "uint32": ir.IntType(32),
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
    "bool": ir.IntType(1),
}
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
intrinsic: Any = extending.intrinsic  # its type says that the typing context is an argument of the caller's


class Lanes(types.Type):
    """A vector of `width` lanes of one `kind` of number.

    Parameters
    ----------
    kind : {"uint8", "uint16", "uint32", "float32", "float64", "bool"}
    width : int
        A power of two.
    """

    def __init__(self, kind: str, width: int) -> None:
        self.kind, self.width = kind, width
        super().__init__(name=f"Lanes({kind}, {width})")

    @property
    def is_float(self) -> bool:
        return self.kind.startswith("float")

    @property
    def vector(self) -> Any:
        """The LLVM type."""
        return ir.VectorType(_ELEMENTS[self.kind], self.width)

    def of(self, kind: str) -> Lanes:
        """Return the type of as many lanes of another kind."""
        return Lanes(kind, self.width)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        super().__init__(dmm, fe_type, fe_type.vector)


def _zeros(width: int) -> Any:
    lanes = Lanes("uint8", width)

    @intrinsic
    def zeros(typingctx):  # type: ignore[no-untyped-def]
        return lanes(), lambda context, builder, signature, args: ir.Constant(lanes.vector, None)

    return zeros


zeros_16, zeros_32, zeros_64 = _zeros(16), _zeros(32), _zeros(64)
"""``zeros_16()`` and so on: bytes of zero, from which a kernel learns its width."""


@intrinsic
def width_of(typingctx, like):  # type: ignore[no-untyped-def]
    """Return the number of lanes, a constant to the compiler."""
    return types.int64(like), lambda context, builder, signature, args: ir.Constant(_INT64, like.width)


def _splat(builder: Any, number: Any, width: int) -> Any:
    vector = ir.VectorType(number.type, width)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(_INT32, 0))
    everywhere = ir.Constant(ir.VectorType(_INT32, width), None)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), everywhere)


def _converted(builder: Any, number: Any, element: Any) -> Any:
    """Convert a scalar; integers wrap."""
    if isinstance(element, ir.IntType):
        return builder.trunc(number, element) if number.type.width > element.width else builder.zext(number, element)
    if isinstance(number.type, ir.IntType):
        return builder.sitofp(number, element)
    return number if number.type == element else builder.fptrunc(number, element)


def _filled(kind: str) -> Any:
    @intrinsic
    def filled(typingctx, number, like):  # type: ignore[no-untyped-def]
        lanes = like.of(kind)

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            number = args[0]
            if number.type != _ELEMENTS[kind]:
                number = _converted(builder, number, _ELEMENTS[kind])
            return _splat(builder, number, like.width)

        return lanes(number, like), generate

    return filled


bytes_of, words_of, floats_of = _filled("uint8"), _filled("uint16"), _filled("float32")
"""``bytes_of(number, like)``: the same number in every lane, as uint8; uint16 and float32 likewise."""


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, offset: Any, vector: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), ir.PointerType(vector))


@intrinsic
def load(typingctx, array, offset, like):  # type: ignore[no-untyped-def]
    """Read as many elements as `like` has lanes from a contiguous array, from element `offset` on, unchecked."""
    lanes = like.of(array.dtype.name)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.load(_pointer(context, builder, array, args[0], args[1], lanes.vector), align=1)

    return lanes(array, types.int64, like), generate


@intrinsic
def store(typingctx, array, offset, lanes):  # type: ignore[no-untyped-def]
    """Write the lanes into a contiguous array of their kind, from element `offset` on, unchecked."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.store(args[2], _pointer(context, builder, array, args[0], args[1], lanes.vector), align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, lanes), generate


def _pairwise(build: Callable[[Any, Lanes, Any, Any], Any], result: str | None = None) -> Any:
    @intrinsic
    def pairwise(typingctx, a, b):  # type: ignore[no-untyped-def]
        lanes = a.of(result) if result else a

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return build(builder, a, args[0], args[1])

        return lanes(a, b), generate

    return pairwise


def _compared(sign: str) -> Any:
    def build(builder: Any, lanes: Lanes, a: Any, b: Any) -> Any:
        return builder.fcmp_ordered(sign, a, b) if lanes.is_float else builder.icmp_unsigned(sign, a, b)

    return _pairwise(build, "bool")


def _computed(for_integers: str, for_floats: str) -> Any:
    def build(builder: Any, lanes: Lanes, a: Any, b: Any) -> Any:
        return getattr(builder, for_floats if lanes.is_float else for_integers)(a, b)

    return _pairwise(build)


_add, _sub, _mul = _computed("add", "fadd"), _computed("sub", "fsub"), _computed("mul", "fmul")
_div = _computed("udiv", "fdiv")
_le, _gt, _eq, _and = _compared("<="), _compared(">"), _compared("=="), _computed("and_", "")


def _overload_operator(operation: Any, implementation: Any) -> None:
    @overload(operation)
    def operate(a, b):  # type: ignore[no-untyped-def]
        if isinstance(a, Lanes) and a == b:
            return lambda a, b: implementation(a, b)
        return None


for _operation, _implementation in {
    operator.add: _add,
    operator.sub: _sub,
    operator.mul: _mul,
    operator.truediv: _div,
    operator.le: _le,
    operator.gt: _gt,
    operator.eq: _eq,
    operator.and_: _and,
}.items():
    _overload_operator(_operation, _implementation)


@intrinsic
def choose(typingctx, mask, a, b):  # type: ignore[no-untyped-def]
    """Return, lane by lane, `a` where `mask` is true, else `b`."""
    return a(mask, a, b), lambda context, builder, signature, args: builder.select(*args)


def _widened(kind: str, how: str) -> Any:
    @intrinsic
    def widened(typingctx, lanes):  # type: ignore[no-untyped-def]
        result = lanes.of(kind)

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return getattr(builder, how)(args[0], result.vector)

        return result(lanes), generate

    return widened


to_words, to_ints, to_floats = _widened("uint16", "zext"), _widened("uint32", "zext"), _widened("float32", "uitofp")
"""``to_words(lanes)``: the same whole numbers as uint16; as uint32; as float32, rounded to nearest."""


@intrinsic
def largest(typingctx, lanes):  # type: ignore[no-untyped-def]
    """Return the largest of float32 lanes, none of them nan: halves are compared until one lane is left."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        vector, width = args[0], lanes.width
        while width > 1:
            width //= 2
            halves = []
            for first in (0, width):
                picks = [ir.Constant(_INT32, first + i) for i in range(width)]
                undefined = ir.Constant(vector.type, ir.Undefined)
                mask = ir.Constant(ir.VectorType(_INT32, width), picks)
                halves.append(builder.shuffle_vector(vector, undefined, mask))
            vector = builder.select(builder.fcmp_ordered(">", *halves), *halves)
        return builder.extract_element(vector, ir.Constant(_INT32, 0))

    return types.float32(lanes), generate


@intrinsic
def first_lane(typingctx, mask):  # type: ignore[no-untyped-def]
    """Return the number of the first lane that is true (the width where none is)."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        bits = builder.bitcast(args[0], ir.IntType(mask.width))
        first = builder.cttz(bits, ir.Constant(ir.IntType(1), 0))
        return first if mask.width == 64 else builder.zext(first, _INT64)

    return types.int64(mask), generate
