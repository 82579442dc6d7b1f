"""The trees of scikit-learn's HistGradientBoosting: NaN on its side of each split, categories as sets.

Where an estimator has categories, its trees read other rows than it is given: columns of categories come
first, each value replaced by its number among those known from training, or by NaN where it is none. Source:
scikit-learn's `ensemble/_hist_gradient_boosting/_predictor.pyx` and `gradient_boosting.py`, `_preprocess_X`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.rounding import at_most
from gradus_convert.forest.views import LEFT_OF, CategoryView, ViewTable
from gradus_convert.readers.trees import NodeTable, default_sides

__all__ = ["HistColumns", "hist_table"]


@dataclass(frozen=True, slots=True, eq=False)
class HistColumns:
    """The columns of an estimator, as its trees number them.

    Attributes:
        table: Views are added to.
        original: int64 [F], the row's column behind each that the trees read.
        categories: By the row's column: the values known from training, by number; numeric columns have none.
    """

    table: ViewTable
    original: npt.NDArray[np.int64]
    categories: dict[int, npt.NDArray[np.float64]]

    @classmethod
    def of(cls, model: Any, place: str) -> HistColumns:
        """Look at a fitted estimator.

        Raises:
            InexactModelError: A category is not a number, or the estimator encodes none of them itself.
        """
        width = int(model.n_features_in_)
        mask = model.is_categorical_
        if mask is None or not mask.any():
            return cls(ViewTable(width), np.arange(width), {})
        preprocessor = getattr(model, "_preprocessor", None)
        if preprocessor is None:
            raise InexactModelError(
                "categories must be encoded by the estimator itself",
                place=place,
                value="categorical_features",
                hint="Train with scikit-learn 1.4 or newer.",
            )
        columns = np.flatnonzero(mask)
        found = preprocessor.named_transformers_["encoder"].categories_
        values = {}
        for column, known in zip(columns.tolist(), found, strict=True):
            if np.asarray(known).dtype.kind not in "fiub":
                raise InexactModelError(
                    "categories must be numbers",
                    place=f"{place}: column {column}",
                    value=str(known[0]),
                    hint="Encode them before training, by OrdinalEncoder say.",
                )
            values[column] = np.asarray(known, np.float64)
        return cls(ViewTable(width), np.concatenate([columns, np.flatnonzero(~mask)]), values)

    @property
    def numeric(self) -> npt.NDArray[np.bool_]:
        """Bool [F], the columns of numbers: the only ones that may be infinite."""
        result = np.ones(len(self.original), np.bool_)
        result[list(self.categories)] = False
        return result


def hist_table(predictor: Any, output: int, columns: HistColumns) -> NodeTable:
    """Take over the nodes of a `TreePredictor`."""
    nodes = predictor.nodes
    is_leaf = nodes["is_leaf"].astype(bool)
    split = np.flatnonzero(~is_leaf)
    feature, threshold = np.full(len(nodes), -1), np.zeros(len(nodes), np.float32)
    original = columns.original[nodes["feature_idx"][split].astype(np.int64)]
    default_left = nodes["missing_go_to_left"][split].astype(bool)
    sets = nodes["is_categorical"][split].astype(bool)
    numbers = split[~sets]
    feature[numbers], threshold[numbers] = default_sides(
        columns.table, original[~sets], at_most(nodes["num_threshold"][numbers]), default_left[~sets]
    )
    for node, column, left in zip(split[sets], original[sets], default_left[sets], strict=True):
        bits = predictor.raw_left_cat_bitsets[int(nodes["bitset_idx"][node])]
        view = _category(int(column), columns.categories[int(column)], bits, default_left=bool(left))
        feature[node], threshold[node] = columns.table.column(view), LEFT_OF
    return NodeTable(
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        feature=feature,
        threshold=threshold,
        values=nodes["value"].astype(np.float64)[:, None],
        native_leaf=np.arange(len(nodes)),
        output=output,
    )


def _category(
    column: int, known: npt.NDArray[np.float64], bits: npt.NDArray[np.uint32], *, default_left: bool
) -> CategoryView:
    """Return the view of a split's set: its categories go left, others known right, any other as NaN does.

    Values that no float32 is are left out: no row has them.
    """
    narrow = known.astype(np.float32)
    there = np.flatnonzero(narrow.astype(np.float64) == known)
    members = np.unpackbits(np.asarray(bits, "<u4").view(np.uint8), bitorder="little")[there]
    other = 0 if default_left else 1
    sides = np.concatenate([[other, other], 1 - members, [other]]).astype(np.uint8)
    return CategoryView(column, "listed", sides.tobytes(), tuple(narrow[there].tolist()))
