"""exp from a table and a parabola: no library's `exp` has a say in the bits of a probability.

With y a margin in steps of 1/128 of an octave, counted from the start of the table:

    j = y without its fraction, f = y - j
    exp = table[j] ((f + SHIFT)^2 + REST)   off by 1.3e-9 of itself at most

The parabola meets 2^(f / 128) at f = 0, 1/2 and 1, so that steps join without a jump. It is written as a
square, which takes an operator less, and its leading coefficient is in the table. Where the table is short
f + SHIFT is made of y and another table, of SHIFT - j: an operator less. The numbers are written out: two
machines that convert a model must write the same bytes.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["PER_UNIT", "REST", "SHIFT", "STEPS", "powers"]

STEPS = 128
"""Steps of an octave."""

PER_UNIT = 184.6649652337873
"""128 / ln 2: steps of a margin of 1."""

SHIFT, REST = 184.16507805069745, 34101.06605147018


def powers(first: int, last: int) -> npt.NDArray[np.float64]:
    """Return 2^(j / 128) / (SHIFT^2 + REST), j from `first` to `last`.

    One octave is made by decimals and rounded, the others are exact from it.
    """
    j = np.arange(first, last + 1)
    return np.asarray(np.ldexp(_octave()[j % STEPS], j // STEPS), np.float64)


@cache
def _octave() -> npt.NDArray[np.float64]:
    with localcontext() as context:
        context.prec = 40
        step, whole = Decimal(2).ln() / STEPS, Decimal(SHIFT) ** 2 + Decimal(REST)
        octave = np.array([float((step * k).exp() / whole) for k in range(STEPS)])
    octave.setflags(write=False)
    return octave
