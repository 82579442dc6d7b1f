"""p ^ (1 / temperature) without a library's logarithm or power: two square roots, a table, a cubic.

With e = 4 / temperature and s the fourth root of p, in [2^-6, 1] as p is at least 2^-24:

    y = 2048 s, j = Floor(y), f = (y - j) / j        y - j is exact
    p ^ (1 / temperature) = (j / 2048) ^ e (1 + f (e + f (e (e - 1) / 2 + f e (e - 1) (e - 2) / 6)))

IEEE 754 defines the square root to the last bit, as it does the other operators. What the cubic leaves out is
below 1e-10 of the largest probability, whatever the temperature. The table is made by decimals: two machines
that convert a model must write the same bytes.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gradus_convert.graphs.arithmetic import Arithmetic
from gradus_runtime.contracts.manifest.calibration import LEAST

__all__ = ["PARTS", "at_power"]

PARTS = 2048
_FIRST = 32
"""The fourth root of the least probability, in parts."""

Value = TypeVar("Value")


def at_power(ops: Arithmetic[Value], p: Value, temperature: float) -> Value:
    """Return each probability to the power of 1 / temperature, float64; those below 2^-24 count as that."""
    e = 4.0 / temperature
    bounded = ops.apply("Min", ops.apply("Max", p, ops.constant(LEAST)), ops.constant(1.0))
    root = ops.root(ops.root(bounded))
    y = ops.apply("Mul", root, ops.constant(float(PARTS)))
    j = ops.apply("Floor", y)
    f = ops.apply("Div", ops.apply("Sub", y, j), j)
    curve = ops.constant(e * (e - 1) * (e - 2) / 6)
    for coefficient in (e * (e - 1) / 2, e, 1.0):
        curve = ops.apply("Add", ops.apply("Mul", curve, f), ops.constant(coefficient))
    return ops.apply("Mul", curve, ops.gather(ops.constant(_table(e)), ops.cast(j, np.int32), 0))


@cache
def _table(e: float) -> npt.NDArray[np.float64]:
    """(j / 2048) ^ e, for j from 0 to 2048; what no probability reaches is 0."""
    with localcontext() as context:
        context.prec = 40
        exponent, whole = Decimal(e), Decimal(PARTS).ln()
        powers = [float((exponent * (Decimal(j).ln() - whole)).exp()) for j in range(_FIRST, PARTS + 1)]
    table = np.array([0.0] * _FIRST + powers)
    table.setflags(write=False)
    return table
