"""Models made of models: VotingClassifier, and CalibratedClassifierCV by sigmoids, as the vote of a level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.compilation.facts import Facts
from gradus_convert.compilation.given_rows import read_given_rows
from gradus_convert.compilation.model import CompiledModel
from gradus_convert.compilation.proof_rows import made_rows
from gradus_convert.errors import InexactModelError, ParityError
from gradus_convert.forest.ir import Forest, tree_of_node
from gradus_convert.graphs import LevelGraph, VotingMember, build_level
from gradus_convert.graphs.labels import label_values
from gradus_convert.graphs.types import Encoding, Vote
from gradus_convert.parity import PROOF_TOLERANCE, LevelMember, prove_level
from gradus_convert.parity.model_proof import ModelProof, ProofKind
from gradus_convert.readers import NativeModel, read_model
from gradus_convert.readers.sklearn import feature_names_of, nameless

__all__ = ["compile_votes", "is_vote"]

_CHECKED = 4_000


def is_vote(model: Any) -> bool:
    """Whether a model is one of these."""
    return type(model).__module__.startswith("sklearn.") and type(model).__name__ in _READERS


@dataclass(frozen=True, slots=True, eq=False)
class _Voters:
    """The members of a model, with weights, and how they vote."""

    members: tuple[LevelMember, ...]
    vote: Vote


def compile_votes(
    model: Any, *, proof: ProofKind, encoding: Encoding, rows: Any = None, place: str
) -> CompiledModel:
    """Compile a model made of models: the members as those of a level, then all of them against the model.

    With proof="quick" it is proven in full, too.

    Raises:
        InexactModelError: A member has no exact form.
        ParityError: The proof failed.
    """
    voters = _READERS[type(model).__name__](model, place)
    labels = label_values(tuple(model.classes_.tolist()))
    if labels is None:
        raise InexactModelError("labels must be numbers, texts or booleans", place=place)
    count, width = len(labels), voters.members[0].native.lowered.n_features

    def build(leaves: bool, named: bool = False) -> LevelGraph:
        return build_level(
            [m.voting for m in voters.members],
            [f"c{i}" for i in range(width)],
            [str(i) for i in range(count)],
            encoding=encoding,
            vote=voters.vote,
            metadata={"gradus.source": "sklearn", "gradus.task": "classes"},
            leaves=leaves,
            labels=labels if named else None,
            alone=True,
        )

    given = None if rows is None else read_given_rows(rows, feature_names_of(model), width)
    report = None if proof == "off" else _prove(model, voters, build, count, given, place)
    graph = build(False, named=True)
    return CompiledModel(
        graph.model_bytes,
        _facts(model, voters, width),
        encoding=graph.encoding,
        bits=graph.bits,
        proof=report,
        margin=None,
    )


def _prove(
    model: Any,
    voters: _Voters,
    build: Callable[..., LevelGraph],
    count: int,
    given: npt.NDArray[np.float32] | None,
    place: str,
) -> ModelProof:
    natives = [m.native for m in voters.members]
    width = natives[0].lowered.n_features
    rows = np.concatenate(
        [made_rows(n.lowered if isinstance(n.lowered, Forest) else None, width) for n in natives]
    )
    if given is not None:
        rows = np.concatenate([given[np.isfinite(given).all(axis=1)], rows])
    done = prove_level(voters.members, build, rows, n_classes=count, vote=voters.vote, place=place)
    found = done.parity
    compiled = CompiledModel(
        build(False, named=True).model_bytes,
        _facts(model, voters, width),
        encoding=done.graph.encoding,
        bits=done.graph.bits,
        proof=None,
        margin=None,
    )
    some = rows[:: max(1, len(rows) // _CHECKED)]
    said, clear = compiled.predict_proba(some), np.ones(len(some), np.bool_)
    best = np.sort(said, axis=1)[:, -2:]
    clear = best[:, 1] - best[:, 0] > 2 * PROOF_TOLERANCE
    if hasattr(model, "predict_proba") and voters.vote == "soft":
        worst = float(np.abs(said - nameless(model.predict_proba, some)).max())
        if not worst <= PROOF_TOLERANCE:
            raise ParityError("probabilities must be the model's", place=place, value=worst)
    wrong = compiled.predict(some) != nameless(model.predict, some)
    if wrong[clear].any():
        raise ParityError("labels must be the model's, ties apart", place=place, value=int(wrong.sum()))
    return ModelProof(
        "full",
        found.rows,
        found.boundary_rows,
        found.leaf_checks,
        found.wrong_leaves,
        found.max_difference,
        PROOF_TOLERANCE,
        found.label_changes,
        found.ties,
        done.graph.bits,
    )


def _facts(model: Any, voters: _Voters, width: int) -> Facts:
    forms = [m.native.lowered for m in voters.members]

    def everywhere(name: str) -> tuple[bool, ...] | None:
        masks = [getattr(m.native, name) for m in voters.members]
        if any(mask is None for mask in masks):
            return None
        return tuple(np.logical_and.reduce(masks).tolist())

    return Facts(
        "sklearn",
        "classes",
        "labels",
        tuple(model.classes_.tolist()),
        feature_names_of(model),
        width,
        sum(getattr(f, "n_trees", 0) for f in forms),
        sum(getattr(f, "n_nodes", 0) for f in forms),
        everywhere("missing"),
        everywhere("infinite"),
    )


def _voting(model: Any, place: str) -> _Voters:
    """VotingClassifier: its members were fitted on the numbers of the classes."""
    weights = model._weights_not_none or [1.0] * len(model.estimators_)
    members = []
    for i, (estimator, weight) in enumerate(zip(model.estimators_, weights, strict=True)):
        if weight == 0:
            continue
        native = read_model(estimator, place=f"{place}: estimators_[{i}]")
        classes = tuple(int(c) for c in estimator.classes_)
        members.append(LevelMember(VotingMember(f"m{i}", float(weight), native.lowered, classes), native))
    return _Voters(tuple(members), "soft" if model.voting == "soft" else "hard")


def _calibrated(model: Any, place: str) -> _Voters:
    """CalibratedClassifierCV: the mean over its folds of 1 / (1 + exp(a T + b)).

    T is what the estimator's decision_function says, or its probability of the second class. Where T is a sum
    of leaves, a T + b is one, too: the same trees with other leaves. Of more than two classes each has a T, a
    and b of its own, and what comes out is divided by its sum.
    """
    members = []
    for i, part in enumerate(model.calibrated_classifiers_):
        where = f"{place}: calibrated_classifiers_[{i}]"
        native = read_model(part.estimator, place=where)
        if part.method != "sigmoid":
            raise InexactModelError(
                "calibration must be by sigmoids", place=where, value=part.method, hint=_HINTS[part.method]
            )
        classes = tuple(range(len(part.classes)))
        if tuple(part.estimator.classes_) != tuple(part.classes):
            raise InexactModelError(
                "every fold of a calibration must have every class",
                place=where,
                value=list(part.estimator.classes_)[:5],
                hint="Fit it with stratified folds (cv=3, say), or on more rows of the rare classes.",
            )
        form = _steeper(part, native, where)
        changed = replace(native, lowered=form, probabilities=_probabilities(part), predict=None)
        members.append(LevelMember(VotingMember(f"fold{i}", 1.0, form, classes), changed))
    return _Voters(tuple(members), "soft")


_HINTS = {
    "isotonic": "Between its knots an isotonic curve is steep (slopes of 1,000 occur): leaves as float32 "
    "would move probabilities by up to 1e-4. Calibrate with method='sigmoid'.",
    "temperature": "Calibrate with method='sigmoid'; a temperature is not supported yet.",
}


def _probabilities(part: Any) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]:
    return lambda X: np.asarray(nameless(part.predict_proba, X), np.float64)


def _steeper(part: Any, native: NativeModel, place: str) -> Forest:
    form, slope, start = native.lowered, -float(part.calibrators[0].a_), -float(part.calibrators[0].b_)
    sums = hasattr(part.estimator, "decision_function")
    averages = isinstance(form, Forest) and not sums and form.link == "identity"
    if (
        isinstance(form, Forest)
        and len(part.calibrators) > 1
        and (averages or (sums and form.link == "softmax"))
    ):
        slopes = np.array([-float(c.a_) for c in part.calibrators])
        starts = np.array([-float(c.b_) for c in part.calibrators])
        return _sloped(form, slopes / native.margin_scale, starts)
    if isinstance(form, Forest) and sums and form.link == "sigmoid":
        scale = slope / native.margin_scale
        return replace(form, scale=form.scale * scale, base=form.base * scale + start)
    if isinstance(form, Forest) and not sums and form.link == "identity" and form.vector_leaves:
        return replace(
            form,
            values=form.values[:, 1:],
            tree_output=np.zeros(form.n_trees, np.int32),
            base=form.base[1:] * slope + start,
            n_outputs=1,
            link="sigmoid",
            scale=form.scale * slope,
        )
    raise InexactModelError(
        "a calibrated estimator must average probabilities, or have a decision_function",
        place=place,
        value=type(part.estimator).__name__,
        hint="A sigmoid of a sigmoid, as of XGBoost's probabilities, is not supported yet.",
    )


def _sloped(form: Forest, slopes: npt.NDArray[np.float64], starts: npt.NDArray[np.float64]) -> Forest:
    """Return a forest whose outputs are slopes times those of another, plus starts; its link is "shares"."""
    base = form.base * slopes + starts
    if form.vector_leaves:
        return replace(form, values=form.values * slopes, base=base, link="shares")
    ends = np.flatnonzero(form.leaf >= 0)
    leaf = np.full(form.n_nodes, -1, np.int32)
    leaf[ends] = np.arange(len(ends))
    steep = slopes[form.tree_output[tree_of_node(form)[ends]]]
    values = form.values[form.leaf[ends]] * steep[:, None]
    return replace(form, values=values, leaf=leaf, base=base, link="shares")


_READERS: dict[str, Callable[[Any, str], _Voters]] = {
    "VotingClassifier": _voting,
    "CalibratedClassifierCV": _calibrated,
}
