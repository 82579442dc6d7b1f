"""Models that read float64 rows as they are, brought to ranks: LightGBM and HistGradientBoosting."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest
from gradus_convert.preparation.ranks import Ranks, ranks_of
from gradus_convert.readers.native import NativeModel

__all__ = ["ranked"]

_CATEGORICAL = 1


def ranked(native: NativeModel, place: str) -> tuple[NativeModel, Ranks | None]:
    """Return a model for float64 rows, in ranks, and what makes ranks of rows.

    None where the library itself rounds a row to float32 first, as XGBoost, CatBoost and scikit-learn's
    forests do: then the model is as it was.

    Raises:
        InexactModelError: Its thresholds cannot be ranked.
    """
    if not native.reads_float64 or not isinstance(native.lowered, Forest):
        return native, None
    lowered, ranks = _lightgbm(native, place) if native.library == "lightgbm" else _histogram(native, place)
    inner_leaves, inner = native.leaves, native.probabilities

    def leaves(R: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        if inner_leaves is None:
            raise ValueError("a forest has leaves")
        return inner_leaves(ranks.expand(R), trees)  # type: ignore[arg-type]  # it reads float64

    def probabilities(R: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return inner(ranks.expand(R))  # type: ignore[arg-type]  # it reads float64

    own = native.predict

    def predict(R: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        if own is None:
            raise ValueError("a model without a predict of its own has none for ranks")
        return own(ranks.expand(R))  # type: ignore[arg-type]  # it reads float64

    return (
        replace(
            native,
            lowered=lowered,
            leaves=leaves,
            probabilities=probabilities,
            predict=None if own is None else predict,
        ),
        ranks,
    )


def _lightgbm(native: NativeModel, place: str) -> tuple[Forest, Ranks]:
    """Write ranks in the place of thresholds into the text of the model, and read it again."""
    import lightgbm

    from gradus_convert.readers.lightgbm import read

    booster: Any = getattr(native.source, "booster_", native.source)
    stop = booster.best_iteration if booster.best_iteration > 0 else None
    text = booster.model_to_string(num_iteration=stop)
    lines = text.split("\n")
    splits, categories = [], set[int]()
    places: list[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.float64]]] = []
    fields: dict[str, str] = {}
    number = 0
    for i, line in enumerate(lines):
        key, _, value = line.partition("=")
        if key == "Tree":
            fields = {}
        fields[key] = value
        if key == "threshold":
            number = i
        if key == "decision_type" and value:
            columns = np.array(fields["split_feature"].split(), np.int64)
            bounds = np.array(fields["threshold"].split(), np.float64)
            numeric = np.array(value.split(), np.int64) & _CATEGORICAL == 0
            splits.append((columns[numeric], bounds[numeric]))
            categories |= set(columns[~numeric].tolist())
            places.append((number, columns, numeric, bounds))
    width = native.lowered.n_features
    ranks = ranks_of(width, splits, categories=sorted(categories), zero_band=True, place=place)
    for i, columns, numeric, bounds in places:
        written = [
            str(ranks.of_threshold(int(c), b)) if n else repr(int(b))
            for c, b, n in zip(columns, bounds, numeric, strict=True)
        ]
        lines[i] = "threshold=" + " ".join(written)
    lines = [line for line in lines if not line.startswith("tree_sizes=")]
    again = read(lightgbm.Booster(model_str="\n".join(lines)), place=place).lowered
    if not isinstance(again, Forest):
        raise InexactModelError("a model must be of trees", place=place)
    return _wide_zero(_same_shape(again, native.lowered, place)), ranks


def _wide_zero(forest: Forest) -> Forest:
    """Let every number above -1 and up to 0 be zero where zero is missing.

    So a forest in ranks looks alike at a number and at the next whole one, which stands for it in `expand`.
    """
    views = tuple(
        replace(v, low=float(_ABOVE_MINUS_ONE)) if -1 < v.low <= 0 <= v.high else v for v in forest.views
    )
    return replace(forest, views=views)


_ABOVE_MINUS_ONE = np.nextafter(np.float32(-1), np.float32(0))


def _histogram(native: NativeModel, place: str) -> tuple[Forest, Ranks]:
    from gradus_convert.readers.sklearn_boosting import read_hist_gradient_boosting

    model: Any = native.source
    predictors = [p for rounds in model._predictors for p in rounds]
    splits = []
    for p in predictors:
        inner = (p.nodes["is_leaf"] == 0) & (p.nodes["is_categorical"] == 0)
        splits.append((p.nodes["feature_idx"][inner].astype(np.int64), p.nodes["num_threshold"][inner]))
        if (p.nodes["is_categorical"] != 0).any():
            raise InexactModelError(
                "float64 inputs need splits that compare numbers",
                place=place,
                value="categorical_features",
                hint='Use inputs="float32".',
            )
    ranks = ranks_of(native.lowered.n_features, splits, zero_band=False, place=place)
    copied = copy.copy(model)
    copied._predictors = [[_in_ranks(p, ranks) for p in rounds] for rounds in model._predictors]
    again = read_hist_gradient_boosting(copied, place=place).lowered
    if not isinstance(again, Forest):
        raise InexactModelError("a model must be of trees", place=place)
    return _same_shape(again, native.lowered, place), ranks


def _in_ranks(predictor: Any, ranks: Ranks) -> Any:
    nodes = predictor.nodes.copy()
    for i in np.flatnonzero(nodes["is_leaf"] == 0):
        nodes["num_threshold"][i] = ranks.of_threshold(
            int(nodes["feature_idx"][i]), nodes["num_threshold"][i]
        )
    return type(predictor)(nodes, predictor.binned_left_cat_bitsets, predictor.raw_left_cat_bitsets)


def _same_shape(again: Forest, before: object, place: str) -> Forest:
    """The forest in ranks, if it has the trees and outputs of the model itself."""
    same = isinstance(before, Forest) and (again.n_trees, again.n_outputs, again.link, again.scale) == (
        before.n_trees,
        before.n_outputs,
        before.link,
        before.scale,
    )
    if not same:
        raise InexactModelError("a model in ranks must have the trees of the model", place=place)
    return again
