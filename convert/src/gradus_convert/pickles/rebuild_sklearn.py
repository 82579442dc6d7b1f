"""Rebuilds scikit-learn estimators from inert values, by an exact list, and checks their trees before use."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from gradus_convert.pickles.allowlist import ESTIMATORS
from gradus_convert.pickles.check_boosting import BOOSTING, check_boosting, check_nodes
from gradus_convert.pickles.inert import BrokenPickleError, Global, Inert
from gradus_convert.pickles.numpy_values import DtypeBox
from gradus_runtime.errors import EnvironmentFailedError

__all__ = ["CLASSIFIERS", "check_version", "rebuild_estimator"]

_MAX_DEPTH = 24
_MAX_CLASSES = 64
_MAX_COLUMNS = 1 << 20
_TREE = Global("sklearn.tree._tree", "Tree")
CLASSIFIERS = frozenset(
    Global(m, n)
    for m, n in ESTIMATORS
    if (n.endswith("Classifier") or n == "Pipeline") and n != "DummyClassifier"
) | {Global("sklearn.linear_model._logistic", "LogisticRegression")}
_TYPES = {
    "bool_": np.bool_, "float32": np.float32, "float64": np.float64, "int32": np.int32, "int64": np.int64,
    "bool": bool, "float": float, "int": int, "object": object, "str": str,
}  # fmt: skip
_FORCED = {
    "n_jobs": 1, "verbose": 0, "memory": None, "random_state": None, "callback": None, "_loss": None,
    "_scorer": None, "scoring": None,
}  # fmt: skip
_NOT_NEEDED = ("numpy.random.", "sklearn._loss.")
_PARTS = frozenset({"DecisionTreeRegressor"})
"""Of models that are checked whole."""


def rebuild_estimator(inert: Inert, *, place: str, any_version: bool = False) -> Any:
    """Rebuild an estimator and everything it is made of.

    Args:
        inert: Of a kind in `policy.ESTIMATORS`.
        place: How errors name it.
        any_version: Take what another minor version of scikit-learn wrote.

    Raises:
        BrokenPickleError: The state is not that of a fitted estimator.
        EnvironmentFailedError: Another version of scikit-learn wrote it.
    """
    if not any_version:
        check_version(inert, place)
    return _Thaw(place, any_version).value(inert, 0)


def check_version(inert: Inert, place: str) -> None:
    """Refuse an estimator that another minor version of scikit-learn wrote.

    scikit-learn promises nothing across versions: fields are renamed, and what a tree's values mean changed.

    Raises:
        EnvironmentFailedError: The message says which version wrote it and how to run the import with it.
    """
    import sklearn

    wrote = inert.attributes.get("_sklearn_version")
    if isinstance(wrote, str) and wrote.split(".")[:2] == sklearn.__version__.split(".")[:2]:
        return
    shown = wrote if isinstance(wrote, str) else "a version before 0.18"
    raise EnvironmentFailedError(
        "a scikit-learn member must be read by the version that wrote it",
        place=place,
        value=f"written by {shown}, installed {sklearn.__version__}",
        hint=f"Run the import with that version: {_command(wrote)} "
        "(or give --any-version: then the parity proof decides).",
    )


def _command(version: object) -> str:
    """The command line that imports with another scikit-learn; before 1.4.2 it needs an older numpy.

    It lays that version over the environment for one call; without `--no-project`, uv would first bring the
    environment of a checkout in line with its lock.
    """
    text = version if isinstance(version, str) else "VERSION"
    release = [int(p) for p in text.split(".")[:3] if p.isdigit()]
    numpy = " --with 'numpy<2'" if release and release < [1, 4, 2] else ""
    return f"uv run --no-project --with scikit-learn=={text}{numpy} gradus import ..."


class _Thaw:
    """Turns inert values into Python's and scikit-learn's own, bounded in depth."""

    def __init__(self, place: str, any_version: bool) -> None:
        self.place = place
        self.any_version = any_version
        self.done: dict[int, tuple[Any, Any]] = {}

    def broken(self, rule: str, value: object = None) -> BrokenPickleError:
        return BrokenPickleError(rule, place=self.place, value=value)

    def value(self, value: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise self.broken(f"an estimator's state must be nested at most {_MAX_DEPTH} deep")
        if id(value) in self.done:
            return self.done[id(value)][1]
        result = self._convert(value, depth + 1)
        self.done[id(value)] = (value, result)  # the value is kept, so that its id stays its own
        return result

    def _convert(self, value: Any, depth: int) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(self.value(v, depth) for v in value)
        if isinstance(value, dict):
            return {k: self.value(v, depth) for k, v in value.items()}
        if isinstance(value, np.ndarray) and value.dtype.hasobject:
            flat = np.empty(value.size, dtype=object)
            for i, item in enumerate(value.ravel()):
                flat[i] = self.value(item, depth)
            return flat.reshape(value.shape)
        if isinstance(value, DtypeBox):
            return value.dtype
        if isinstance(value, Global):
            if value.module in ("numpy", "builtins") and value.name in _TYPES:
                return _TYPES[value.name]
            raise self.broken("an estimator's state must hold values", str(value))
        return self._object(value, depth) if isinstance(value, Inert) else value

    def _object(self, inert: Inert, depth: int) -> Any:
        if inert.kind == _TREE:
            return _tree(inert, self.value(inert.attributes, depth), self.place)
        if (inert.kind.module, inert.kind.name) in ESTIMATORS:
            return self._estimator(inert, depth)
        if inert.kind.module.startswith(_NOT_NEEDED) or inert.kind.name.endswith("Optimizer"):
            return None
        raise self.broken("an estimator's state must hold only what it needs", str(inert.kind))

    def _estimator(self, inert: Inert, depth: int) -> Any:
        kind = getattr(importlib.import_module(inert.kind.module), inert.kind.name)
        state = {}
        for key, item in inert.attributes.items():
            if key == "_sklearn_version":
                continue
            if not key.isidentifier() or key.startswith("__") or callable(getattr(kind, key, None)):
                raise self.broken("an attribute must not stand for a method", key)
            state[key] = _FORCED[key] if key in _FORCED else self.value(item, depth)
        made = kind.__new__(kind)
        made.__dict__.update(state)
        _check_estimator(made, self.place)
        return made


def _check_estimator(model: Any, place: str) -> None:
    """Hold the parts of a fitted tree or forest to each other, so that no walk leaves its arrays."""
    if type(model).__name__ in BOOSTING:
        check_boosting(model, place)
    if type(model).__name__ in BOOSTING | _PARTS:
        return
    trees: Any = [model] if "tree_" in model.__dict__ else model.__dict__.get("estimators_")
    if trees is None:
        return
    columns, classes = model.__dict__.get("n_features_in_"), model.__dict__.get("classes_")
    ok = isinstance(trees, list) and bool(trees) and isinstance(classes, np.ndarray) and classes.ndim == 1
    ok = ok and len(classes) <= _MAX_CLASSES and int(model.__dict__.get("n_classes_", -1)) == len(classes)
    if ok and len({id(getattr(tree, "tree_", None)) for tree in trees}) != len(trees):
        raise BrokenPickleError("a forest must name each tree once", place=place, value=len(trees))
    for tree in trees if ok else ():
        core = getattr(tree, "tree_", None)
        ok = ok and core is not None and core.n_features == columns and core.max_n_classes == len(classes)
    if not ok:
        raise BrokenPickleError(
            "a forest's trees must share its columns and classes", place=place, value=type(model).__name__
        )


def _tree(inert: Inert, state: dict[str, Any], place: str) -> Any:
    import sklearn
    from sklearn.tree._tree import Tree

    def need(ok: object, rule: str) -> None:
        if not ok:
            raise BrokenPickleError(rule, place=place)

    need(len(inert.args) == 3, "a tree must be created with features, classes and outputs")
    features, classes, outputs = inert.args
    need(
        type(features) is int and 0 < features <= _MAX_COLUMNS and type(outputs) is int and outputs == 1,
        "a tree must have features and one output",
    )
    need(isinstance(classes, np.ndarray) and classes.shape == (1,), "a tree must have one output")
    need(0 < int(classes[0]) <= _MAX_CLASSES, f"a tree must have 1 to {_MAX_CLASSES} classes")
    nodes, values = state.get("nodes"), state.get("values")
    if not isinstance(nodes, np.ndarray) or not isinstance(values, np.ndarray):
        raise BrokenPickleError("a tree must hold nodes and values", place=place)
    names = nodes.dtype.names or ()
    need({"left_child", "right_child", "feature", "threshold"} <= set(names), "nodes must be those of a tree")
    check_nodes(nodes["left_child"], nodes["right_child"], nodes["feature"], features, place)
    need(state.get("node_count") == len(nodes) == len(values), "node_count must be the number of nodes")
    tree = Tree(features, classes.astype(np.intp), outputs)
    try:
        tree.__setstate__(
            {"max_depth": int(state["max_depth"]), "node_count": len(nodes), "nodes": nodes, "values": values}
        )
    except (KeyError, TypeError, ValueError) as e:
        raise EnvironmentFailedError(
            "the installed scikit-learn must be able to read the tree",
            place=place,
            cause=f"{sklearn.__version__}: {str(e).splitlines()[0]}",
            hint=f"Run the import with the version that wrote it: {_command(None)}.",
        ) from None
    return tree
