"""Eight floats as one Numba value: a kernel written with them is vector code on every processor.

Left to itself LLVM's vectoriser asks, before every row of a picture, whether any of a dozen pointers overlap; on
rows of 85 pixels that costs as much as the row. A loop over ``load`` and ``store`` asks nothing. Arrays are
one-dimensional float32 and contiguous; indices are not checked. Numba's cache does not see changes of this file: after
one, remove ``repro/flow/__pycache__``.
"""

import operator

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8
_FLOAT, _INDEX = ir.FloatType(), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_FAST = ("fast",)
_PLANE = types.Array(types.float32, 1, "C")


class _Lanes(types.Type):
    def __init__(self):
        super().__init__(name="lanes")


lanes = _Lanes()


@register_model(_Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _VECTOR)


def _operator(symbol, instruction):
    """Teach Numba one operator between two vectors."""

    @infer_global(symbol)
    class _Template(ConcreteTemplate):
        key = symbol
        cases = [signature(lanes, lanes, lanes)]

    @lower_builtin(symbol, lanes, lanes)
    def _lower(context, builder, sig, args):
        return getattr(builder, instruction)(*args, flags=_FAST)


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _operator(_symbol, _instruction)


def _call(name, count):
    """Lowering by an LLVM function of ``count`` vectors that returns one."""

    def lower(context, builder, sig, args):
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * count)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"{name}.v{LANES}f32"), args, fastmath=_FAST)

    return lower


def _place(context, builder, sig, args):
    plane = context.make_array(sig.args[0])(context, builder, args[0])
    return builder.bitcast(builder.gep(plane.data, [args[1]]), _VECTOR.as_pointer())


@intrinsic
def load(typing, plane, index):
    """plane[index : index + 8] as a vector."""
    return lanes(_PLANE, types.intp), lambda context, builder, sig, args: builder.load(
        _place(context, builder, sig, args), align=4
    )


@intrinsic
def store(typing, plane, index, value):
    """plane[index : index + 8] = value."""

    def lower(context, builder, sig, args):
        builder.store(args[2], _place(context, builder, sig, args), align=4)
        return context.get_dummy_value()

    return types.void(_PLANE, types.intp, lanes), lower


@intrinsic
def splat(typing, value):
    """A vector of eight times ``value`` (float32)."""

    return lanes(types.float32), lambda context, builder, sig, args: _spread(builder, args * 2)


@intrinsic
def pair(typing, a, b):
    """Four times ``a``, four times ``b`` (float32)."""
    return lanes(types.float32, types.float32), lambda context, builder, sig, args: _spread(builder, args)


def _spread(builder, two):
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    both = builder.insert_element(builder.insert_element(nothing, two[0], _INDEX(0)), two[1], _INDEX(1))
    places = [0] * (LANES // 2) + [1] * (LANES // 2)
    return builder.shuffle_vector(both, nothing, ir.Constant(ir.VectorType(_INDEX, LANES), places))


@intrinsic
def lane(typing, a, number):
    """One of the eight values (float32)."""
    return types.float32(lanes, types.intp), lambda context, builder, sig, args: builder.extract_element(*args)


@intrinsic
def root(typing, a):
    """Elementwise square root."""
    return lanes(lanes), _call("llvm.sqrt", 1)


@intrinsic
def least(typing, a, b):
    """Elementwise minimum."""
    return lanes(lanes, lanes), _call("llvm.minnum", 2)


@intrinsic
def greatest(typing, a, b):
    """Elementwise maximum."""
    return lanes(lanes, lanes), _call("llvm.maxnum", 2)


@intrinsic
def total(typing, a):
    """Sum of the eight values (float32)."""

    def lower(context, builder, sig, args):
        kind = ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR])
        add = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        return builder.call(add, [ir.Constant(_FLOAT, 0.0), args[0]], fastmath=_FAST)

    return types.float32(lanes), lower
