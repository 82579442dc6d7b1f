"""The side of a trade: where the classes say whether a proposed trade comes off, the action is its side.

The side is proposed by a feature of the row, which the label of the manifest names (`label.texts.side`):
above 0 long, below 0 short. What the policy lets through becomes "BUY" or "SELL"; what it does not, and a row
that proposes nothing, becomes the fallback action.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.contracts.manifest import LONG, META, SHORT, Manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TradeSides", "sides_of"]

_TAKEN = 1  # of a meta label's two classes, the one that says that the trade comes off


class TradeSides:
    """Where the side of a row comes from.

    Args:
        column: Of the feature that proposes the side.
        name: Of that feature.
        taken: The class that says that the trade comes off.
    """

    def __init__(self, column: int, name: str, taken: str) -> None:
        self.name = name
        self.taken = taken
        self.column = column
        self._read = struct.Struct("f").unpack_from
        self._offset = 4 * column

    def action(self, given: bytes, fallback: str) -> str:
        """Return the action of a row that the policy lets through.

        Args:
            given: Its features, float32, in the manifest's order; NaN for what it lacks.
            fallback: The action where no side is proposed.
        """
        (side,) = self._read(given, self._offset)
        return LONG if side > 0.0 else SHORT if side < 0.0 else fallback

    def actions(self, proposed: NDArray[np.float32], fallback: str) -> NDArray[np.object_]:
        """Return the action of each row, as `action` does; text [n].

        Args:
            proposed: float32 [n], the column of the feature.
            fallback: As in `action`.
        """
        names = np.array([SHORT, fallback, LONG], object)
        return names[(proposed > 0).astype(np.intp) - (proposed < 0) + 1]

    def unproposed(self, fallback: str) -> str:
        """Say why a row that the policy lets through is no trade."""
        return f"{self.taken}, but {self.name} proposes no side: {fallback}"


def sides_of(manifest: Manifest) -> TradeSides | None:
    """Return where the side comes from; None where the classes are the actions."""
    label = manifest.label
    if label is None or label.kind != META:
        return None
    name = label.texts.get("side", "")
    names = manifest.feature_names
    if name not in names:
        return None  # a column that only training had: the caller knows the side
    return TradeSides(names.index(name), name, manifest.classes[_TAKEN])
