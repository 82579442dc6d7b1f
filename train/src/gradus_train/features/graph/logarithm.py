"""The natural logarithm from operators that IEEE 754 defines, so that it has the same bits everywhere."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
from onnx import TensorProto

from gradus_train.features.graph.emitter import Emitter

__all__ = ["logarithm"]

_PARTS = 128
_LOW, _HIGH = 96, 192  # of c * 128, for m in [0.75, 1.5)


def logarithm(e: Emitter, x: str) -> str:
    """Emit log x, within about one rounding; NaN where x is not above 0.

    x = 2^e m with m in [0.75, 1.5), c the nearest step of 1/128, f = (m - c) / (m + c), and
    log x = e log 2 + log c + 2 (f + f^3 / 3 + f^5 / 5 + ...). Near x = 1 both e and log c are 0.
    """
    mantissa, exponent = _scaled(e, x)
    nearest = e.op("Add", e.op("Mul", mantissa, e.floats(_PARTS)), e.floats(0.5))
    step = e.cast(nearest, TensorProto.INT64)
    step = e.op("Min", e.op("Max", step, e.ints(_LOW)), e.ints(_HIGH))
    c = e.op("Gather", e.floats([max(i, 1) / _PARTS for i in range(_HIGH + 1)]), step)
    f = e.op("Div", e.op("Sub", mantissa, c), e.op("Add", mantissa, c))
    square = e.op("Mul", f, f)
    tail = e.floats(1 / 9)
    for coefficient in (1 / 7, 1 / 5, 1 / 3):
        tail = e.op("Add", e.op("Mul", tail, square), e.floats(coefficient))
    series = e.op("Add", f, e.op("Mul", f, e.op("Mul", square, tail)))
    of_c = e.op("Gather", e.floats([_log(Decimal(max(i, 1)) / _PARTS) for i in range(_HIGH + 1)]), step)
    near = e.op("Add", e.op("Mul", series, e.floats(2.0)), of_c)
    result = e.op("Add", near, e.op("Mul", exponent, e.floats(_log(Decimal(2)))))
    return e.op("Where", e.op("Greater", x, e.floats(0.0)), result, e.floats(np.nan))


def _scaled(e: Emitter, x: str) -> tuple[str, str]:
    """Mantissa in [0.75, 1.5) and exponent, by exact products with powers of 2."""
    powers = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
    steps = [(-64, "Less", 2.0**-1022)]  # of subnormal numbers
    steps += [(k, "GreaterOrEqual", 2.0**k) for k in powers]
    steps += [(-k, "Less", 2.0 ** (1 - k)) for k in powers]
    steps.append((1, "GreaterOrEqual", 1.5))
    mantissa, exponent = x, e.floats(0.0)
    for k, test, limit in steps:
        go = e.op(test, mantissa, e.floats(limit))
        factor = e.op("Where", go, e.floats(2.0**-k), e.floats(1.0))
        mantissa = e.op("Mul", mantissa, factor)
        exponent = e.op("Add", exponent, e.op("Where", go, e.floats(k), e.floats(0.0)))
    return mantissa, exponent


def _log(x: Decimal) -> float:
    with localcontext() as context:
        context.prec = 40
        return float(x.ln())
