"""scikit-learn's GradientBoosting and HistGradientBoosting, classifiers and regressors, to a Forest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, Link
from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.sklearn import feature_names_of, nameless, node_table
from gradus_convert.readers.sklearn_hist import HistColumns, hist_table
from gradus_convert.readers.trees import assemble, check_classes

__all__ = ["read_gradient_boosting", "read_hist_gradient_boosting"]


def read_gradient_boosting(model: Any, *, place: str = "model") -> NativeModel:
    """Lower a fitted `GradientBoostingClassifier` or `-Regressor`: float32 inputs, float64 thresholds, `<=`.

    With loss="exponential" the probability is the sigmoid of twice the margin.

    Raises:
        InexactModelError: `init` depends on the row.
    """
    classes = hasattr(model, "classes_")
    if classes:
        check_classes(int(model.n_classes_), place)
    factor = 2.0 if model.loss == "exponential" else 1.0
    init = getattr(model.init_, "strategy", model.init_)
    if not isinstance(init, str) or init not in _CONSTANT_INITS:
        raise InexactModelError(
            "init must be a constant", place=place, value=init, hint="Train with init=None or 'zero'."
        )
    origin = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))[0]
    outputs = model.estimators_.shape[1]
    native = [e.tree_ for e in model.estimators_.reshape(-1)]
    trees = [node_table(t, t.value[:, :, 0], i % outputs) for i, t in enumerate(native)]
    forest = assemble(
        trees,
        base=factor * origin,
        n_features=model.n_features_in_,
        n_outputs=outputs,
        link=_class_link(outputs) if classes else "identity",
        scale=factor * model.learning_rate,
    )

    def leaves(X: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        return np.stack([native[i].apply(X) for i in trees], axis=1).astype(np.int64)

    def margins(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        said = nameless(model.decision_function if classes else model.predict, X)
        return np.asarray(said, np.float64).reshape(len(X), outputs)

    return _native(model, forest, leaves, margins, margin_scale=factor)


_CONSTANT_INITS = frozenset(
    {"zero", "prior", "most_frequent", "constant", "uniform", "mean", "median", "quantile"}
)


def _class_link(outputs: int) -> Link:
    return "sigmoid" if outputs == 1 else "softmax"


def _native(
    model: Any,
    forest: Forest,
    leaves: Callable[[npt.NDArray[np.float32], range], npt.NDArray[np.int64]],
    margins: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]],
    *,
    margin_scale: float = 1.0,
    reads_float64: bool = False,
    missing: npt.NDArray[np.bool_] | None = None,
    infinite: npt.NDArray[np.bool_] | None = None,
    landmarks: Mapping[int, Sequence[float]] | None = None,
) -> NativeModel:
    """Return what both kinds of boosting have in common."""
    classes, outputs = hasattr(model, "classes_"), forest.n_outputs

    def predict(X: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        return np.asarray(nameless(model.predict, _wide(X) if reads_float64 else X))

    def probabilities(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        if classes:
            rows = _wide(X) if reads_float64 else X
            return np.asarray(nameless(model.predict_proba, rows), np.float64)
        return predict(X).astype(np.float64)[:, None]

    return NativeModel(
        "sklearn",
        model,
        forest,
        probabilities,
        leaves,
        outputs,
        tuple(model.classes_.tolist()) if classes else None,
        reads_float64=reads_float64,
        task="classes" if classes else "values",
        predicts="labels" if classes else "values",
        predict=predict if classes else None,
        margins=margins,
        margin_scale=margin_scale,
        feature_names=feature_names_of(model),
        missing=missing,
        infinite=infinite,
        landmarks=landmarks or {},
    )


def read_hist_gradient_boosting(model: Any, *, place: str = "model") -> NativeModel:
    """Lower a fitted `HistGradientBoostingClassifier` or `-Regressor`: float64 inputs and thresholds, `<=`.

    It has no `apply`. Its leaves come from its own compiled walk (`TreePredictor.predict`) over copies of its
    trees whose leaf values are replaced by the leaves' numbers.

    Raises:
        InexactModelError: A category is not a number.
    """
    classes = hasattr(model, "classes_")
    if classes:
        check_classes(len(model.classes_), place)
    columns = HistColumns.of(model, place)
    predictors = [p for rounds in model._predictors for p in rounds]
    outputs = model.n_trees_per_iteration_
    forest = assemble(
        [hist_table(p, i % outputs, columns) for i, p in enumerate(predictors)],
        base=np.asarray(model._baseline_prediction, np.float64).reshape(-1),
        n_features=model.n_features_in_,
        n_outputs=outputs,
        link=_class_link(outputs) if classes else _VALUE_LINKS.get(model.loss, "identity"),
        views=columns.table.views,
        infinite=columns.numeric,
    )
    numbered = [_numbered(p) for p in predictors]

    def leaves(X: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        known, positions = model._bin_mapper.make_known_categories_bitsets()
        rows = np.ascontiguousarray(nameless(_as_trained(model), _wide(X)), np.float64)
        ids = [numbered[i].predict(rows, known, positions, 1) for i in trees]
        return np.stack(ids, axis=1).astype(np.int64)

    def margins(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        said = nameless(model.decision_function if classes else model._raw_predict, _wide(X))
        return np.asarray(said, np.float64).reshape(len(X), outputs)

    everywhere = np.ones(forest.n_features, np.bool_)
    return _native(
        model,
        forest,
        leaves,
        margins,
        reads_float64=True,
        missing=everywhere,
        infinite=columns.numeric,
        landmarks={c: known.tolist() for c, known in columns.categories.items()},
    )


def _wide(X: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The rows as the library reads them.

    It looks categories up in the rows as they come, and with numpy 1 the float32 next to 0.1 is then 0.1.
    """
    return np.asarray(X, np.float64)


def _as_trained(model: Any) -> Any:
    """Return what makes of rows those that the trees read: categories first, by their numbers."""
    if getattr(model, "_preprocessor", None) is None:
        return lambda X: X
    return lambda X: model._preprocess_X(X, reset=False)


_VALUE_LINKS: Mapping[str, Link] = {"poisson": "exp", "gamma": "exp"}


def _numbered(predictor: Any) -> Any:
    """A copy of a `TreePredictor` that predicts the number of the leaf instead of its value."""
    nodes = predictor.nodes.copy()
    nodes["value"] = np.arange(len(nodes))
    return type(predictor)(nodes, predictor.binned_left_cat_bitsets, predictor.raw_left_cat_bitsets)
