"""exp from a table and a parabola: no library's `exp` has a say in the bits of a probability.

y = margin * 128 / ln 2 - first      in steps of 1/128 of an octave, counted from the start of the table
j = Floor(y), f = y - j              f is exact
exp = table[j] (1 + f (C1 + f C2))   off by 1.3e-9 of itself at most
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["C1", "C2", "PER_UNIT", "STEPS", "powers"]

STEPS = 128
"""Steps of an octave."""

C1, C2 = 0.005415199088007121, 1.470202479570098e-05
"""The parabola 1 + f (C1 + f C2) meets 2^(f / 128) at f = 0, 1/2 and 1, so that steps join without a jump.
Written out: two machines that convert a model must write the same bytes."""

PER_UNIT = 184.6649652337873
"""128 / ln 2: steps of a margin of 1."""


def powers(first: int, last: int) -> npt.NDArray[np.float64]:
    """Return 2^(j / 128) for j from `first` to `last`: one octave by decimals, the others exact from it."""
    j = np.arange(first, last + 1)
    return np.asarray(np.ldexp(_octave()[j % STEPS], j // STEPS), np.float64)


@cache
def _octave() -> npt.NDArray[np.float64]:
    with localcontext() as context:
        context.prec = 40
        step = Decimal(2).ln() / STEPS
        octave = np.array([float((step * k).exp()) for k in range(STEPS)])
    octave.setflags(write=False)
    return octave
