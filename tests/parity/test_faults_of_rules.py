"""One fault for each rule of the readers and of what stands before the trees: the proof refuses every one.

Views (missing values, categories) have theirs in `test_missing_and_categories`, links in
`test_faults_of_links`, the graph's own parts in `test_planted_faults`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tests.support import missing
from tests.support.compiled_models import (
    CASES,
    CODES,
    GAPS,
    NAMES,
    T,
    X,
    Y,
    calibrated,
    cat,
    gradient,
    learn,
    light,
    pipe,
    vote,
)

import gradus_convert
from gradus_convert.compilation import votes
from gradus_convert.errors import ParityError
from gradus_convert.forest.rounding import below
from gradus_convert.preparation import sklearn_steps
from gradus_convert.readers import catboost, lightgbm, sklearn, sklearn_boosting, sklearn_hist, xgboost

pytestmark = pytest.mark.filterwarnings("ignore")

Patch = pytest.MonkeyPatch
LEAF = r"model: every tree must end at the leaf of its library, but got 'model, tree \d+: .*leaf "
ROW = r"model: row \d+ of the proof, output \d+: (values|probabilities) must be the library's"
STEPS = r"model: column \d+ before the trees: the steps before the trees must give the bits"
BY_NAME = {case.name: case for case in CASES}


@dataclass(frozen=True)
class Fault:
    """What is planted, into a model of which kind, and what the refusal must say.

    Attributes:
        make: A fitted model; faults that share one name share the model.
        plant: Puts the fault into a reader.
        says: Pattern of the message: it names the place.
        inputs: As `compile` takes them.
        proof: "full" where the fault shows on thresholds alone.
    """

    make: Callable[[], Any]
    plant: Callable[[Patch], None]
    says: str = ROW
    inputs: Any = "float32"
    proof: Any = "quick"


# ---------------------------------------------------------------- seams


def replaced(module: Any, name: str, change: Callable[..., Any]) -> Callable[[Patch], None]:
    """Put `change(right, *arguments)` in the place of a function."""

    def plant(patch: Patch) -> None:
        right = getattr(module, name)
        patch.setattr(module, name, lambda *given, **named: change(right, *given, **named))

    return plant


def assembled(module: Any, **changes: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """Change what a reader says of all trees together: base, scale."""

    def change(right: Any, trees: Any, **named: Any) -> Any:
        wrong = {key: how(named.get(key, 1.0)) for key, how in changes.items()}
        return right(trees, **(named | wrong))

    return replaced(module, "assemble", change)


def each_tree(module: Any, **changes: Callable[[Any, int], Any]) -> Callable[[Patch], None]:
    """Change a field of every tree's table."""

    def change(right: Any, trees: Any, **named: Any) -> Any:
        wrong = [
            dataclasses.replace(t, **{k: how(getattr(t, k), i) for k, how in changes.items()})
            for i, t in enumerate(trees)
        ]
        return right(wrong, **named)

    return replaced(module, "assemble", change)


def step(name: str, change: Callable[..., Any]) -> Callable[[Patch], None]:
    """Read a step of a pipeline wrongly: `change(right, step, block, place)`."""

    def plant(patch: Patch) -> None:
        right = sklearn_steps._READERS[name]
        patch.setitem(sklearn_steps._READERS, name, lambda *given: change(right, *given))  # type: ignore[call-overload]

    return plant


def told(**changes: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """Change what is taken for the library's answer: the proof must see the rows on which it differs."""

    def plant(patch: Patch) -> None:
        from gradus_convert.compilation import door

        right = door.read_model

        def read(*given: Any, **named: Any) -> Any:
            native = right(*given, **named)
            return dataclasses.replace(native, **{k: how(getattr(native, k)) for k, how in changes.items()})

        patch.setattr(door, "read_model", read)

    return plant


def nearest(_: Any, t: Any) -> Any:
    with np.errstate(over="ignore"):
        return np.asarray(t, np.float64).astype(np.float32)


def zero(value: Any) -> Any:
    return np.zeros_like(np.asarray(value, np.float64))


def a_little_more(value: Any) -> Any:
    return np.asarray(value, np.float64) + 1e-4


def one(_: Any) -> float:
    return 1.0


def larger(scale: float) -> float:
    return scale * 1.0001


def half(scale: float) -> float:
    return scale / 2


def without(**fields: Any) -> Callable[..., Any]:
    """A fitted step with other fields, read rightly."""

    def change(right: Any, fitted: Any, block: Any, place: str) -> Any:
        import copy

        wrong = copy.copy(fitted)
        for key, value in fields.items():
            setattr(wrong, key, value(getattr(fitted, key)) if callable(value) else value)
        return right(wrong, block, place)

    return change


# ---------------------------------------------------------------- models


FINE = X.astype(np.float64) + 1e-9
"""Values that no float32 is: thresholds between them must be rounded down."""
COARSE = np.round(X)
ENDLESS = X.astype(np.float64)
ENDLESS[::3, 0], ENDLESS[1::7, 1] = np.inf, -np.inf


def _xgboost_dart() -> Any:
    return gradient(booster="dart", rate_drop=0.5, one_drop=1, n_estimators=12)()


def columns(*parts: tuple[str, Any, list[int]]) -> Any:
    from sklearn.compose import ColumnTransformer

    return ColumnTransformer(list(parts))


def nested() -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inner = make_pipeline(StandardScaler(), SimpleImputer(strategy="constant", fill_value=3.0))
    return pipe(columns(("n", inner, [0, 1, 2])), rows=GAPS.astype(np.float64))()


def scaled(name: str) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn import preprocessing

        return pipe(getattr(preprocessing, name)())()

    return make


def imputed(**options: Any) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn.impute import SimpleImputer

        return pipe(SimpleImputer(**options), rows=GAPS.astype(np.float64))()

    return make


def coded(name: str, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn import preprocessing

        encoder = getattr(preprocessing, name)(**options)
        return pipe(columns(("n", "passthrough", [0]), ("c", encoder, [2])), rows=CODES.astype(np.float64))()

    return make


def chosen() -> Any:
    from sklearn.feature_selection import SelectKBest

    return pipe(SelectKBest(k=3))()


def of(name: str) -> Callable[[], Any]:
    return BY_NAME[name].make


def fitted(name: str) -> Callable[[], Any]:
    return lambda: missing.fit(name)


# ---------------------------------------------------------------- faults

THRESHOLDS = {
    "scikit-learn: thresholds rounded to the nearest float32": Fault(
        learn("RandomForestClassifier", FINE, n_estimators=5),
        replaced(sklearn, "at_most", nearest),
        LEAF,
        proof="full",
    ),
    "GradientBoosting: thresholds rounded to the nearest float32": Fault(
        learn("GradientBoostingClassifier", FINE, n_estimators=8),
        replaced(sklearn, "at_most", nearest),
        LEAF,
        proof="full",
    ),
    "HistGradientBoosting: thresholds rounded to the nearest float32": Fault(
        learn("HistGradientBoostingClassifier", FINE, max_iter=8),
        replaced(sklearn_hist, "at_most", nearest),
        LEAF,
        proof="full",
    ),
    "LightGBM: thresholds rounded to the nearest float32": Fault(
        light(rows=FINE), replaced(lightgbm, "at_most_with_zero_band", nearest), LEAF, proof="full"
    ),
    "LightGBM: values within 1e-35 of zero are not zero": Fault(
        light(rows=COARSE),
        replaced(lightgbm, "at_most_with_zero_band", lambda _, t: lightgbm.at_most(t)),
        LEAF,
        proof="full",
    ),
    "XGBoost: a value equal to the condition goes left": Fault(
        gradient(), replaced(xgboost, "below", lambda _, t: np.asarray(t, np.float32)), LEAF, proof="full"
    ),
    "scikit-learn: a value equal to the threshold goes right": Fault(
        learn("RandomForestClassifier", COARSE, n_estimators=3, max_depth=4),
        replaced(sklearn, "at_most", lambda right, t: below(right(t))),
        LEAF,
        proof="full",
    ),
    "CatBoost: a value equal to the border goes right": Fault(
        cat(),
        replaced(catboost, "default_sides", lambda right, t, f, at, side: right(t, f, below(at), side)),
        LEAF,
        proof="full",
    ),
    "HistGradientBoosting: infinity is the largest number": Fault(
        learn("HistGradientBoostingClassifier", ENDLESS, max_iter=8),
        replaced(sklearn_hist, "at_most", nearest),
        LEAF,
    ),
    "LightGBM: infinity is the largest number": Fault(
        light(rows=ENDLESS), replaced(lightgbm, "at_most_with_zero_band", nearest), LEAF
    ),
    "XGBoost: the zeros of both signs apart": Fault(
        gradient(rows=COARSE),
        told(
            leaves=lambda right: (
                lambda rows, trees: right(
                    np.where((rows == 0) & np.signbit(rows), np.float32(-1e-45), rows), trees
                )
            )
        ),
        LEAF,
        proof="full",
    ),
    "LightGBM: infinity is refused or clipped": Fault(
        light(rows=ENDLESS),
        told(leaves=lambda right: lambda rows, trees: right(np.where(np.isposinf(rows), 0, rows), trees)),
        LEAF,
    ),
}

SUMS = {
    "XGBoost: base_score left out": Fault(
        gradient("XGBRegressor", y=T, base_score=0.7), assembled(xgboost, base=zero)
    ),
    "XGBoost: base_score a little off": Fault(
        gradient(y=(Y > 0).astype(int)), assembled(xgboost, base=a_little_more)
    ),
    "XGBoost: base_score of a probability taken for a margin": Fault(
        gradient(y=(Y > 0).astype(int), base_score=0.3),
        replaced(
            xgboost, "_base", lambda right, a, head: right(a, dataclasses.replace(head, start="identity"))
        ),
    ),
    "XGBoost: base_score of an expected value taken for a margin": Fault(
        gradient("XGBRegressor", y=T, objective="reg:gamma", base_score=0.7),
        replaced(
            xgboost, "_base", lambda right, a, head: right(a, dataclasses.replace(head, start="identity"))
        ),
    ),
    "XGBoost: weights of DART lost": Fault(
        _xgboost_dart, replaced(xgboost, "_tree", lambda right, tree, _, *rest: right(tree, 1.0, *rest))
    ),
    "XGBRF: trees averaged once more": Fault(
        of("XGBoost XGBRFRegressor: default"), assembled(xgboost, scale=half)
    ),
    "LightGBM: trees of boosting rf not averaged": Fault(
        of("LightGBM LGBMClassifier: boosting rf"), assembled(lightgbm, scale=one)
    ),
    "LightGBM: trees of dart a little off": Fault(
        of("LightGBM LGBMClassifier: boosting dart"), assembled(lightgbm, scale=larger)
    ),
    "LightGBM: the parameter sigmoid lost": Fault(
        light(y=Y > 0, sigmoid=1.7), assembled(lightgbm, scale=one)
    ),
    "LightGBM: trees of another class": Fault(light(), each_tree(lightgbm, output=lambda _, i: (i + 1) % 3)),
    "XGBoost: trees of another class": Fault(gradient(), each_tree(xgboost, output=lambda _, i: (i + 1) % 3)),
    "CatBoost: the bias left out": Fault(
        of("CatBoost CatBoostRegressor: RMSE"), assembled(catboost, base=zero)
    ),
    "CatBoost: the scale a little off": Fault(
        of("CatBoost CatBoostRegressor: RMSE"), assembled(catboost, scale=larger)
    ),
    "CatBoost: the splits of a tree from the other end": Fault(
        cat(),
        replaced(
            catboost,
            "_tree",
            lambda right, tree, *rest: right(tree | {"splits": tree["splits"][::-1]}, *rest),
        ),
        LEAF,
    ),
    "CatBoost: leaves of a tree that is not symmetric in another order": Fault(
        of("CatBoost CatBoostClassifier: grow_policy=Lossguide"),
        replaced(
            catboost, "_numbers", lambda right, first: np.where(first < 0, np.cumsum(first < 0) - 1, -1)
        ),
        LEAF,
    ),
    "random forest: a tree too few in the mean": Fault(
        learn("RandomForestClassifier", n_estimators=5),
        assembled(sklearn, scale=lambda scale: 1 / (1 / scale - 1)),
    ),
    "random forest: classes in another order": Fault(
        learn("RandomForestClassifier", n_estimators=5),
        each_tree(sklearn, values=lambda values, _: values[:, ::-1]),
    ),
    "regression forest: the mean a little off": Fault(
        learn("RandomForestRegressor", y=T, n_estimators=5), assembled(sklearn, scale=larger)
    ),
    "extra trees: targets exchanged": Fault(
        of("scikit-learn ExtraTreesRegressor: two targets"),
        each_tree(sklearn, values=lambda values, _: values[:, ::-1]),
    ),
    "GradientBoosting: the exponential loss's factor lost": Fault(
        of("scikit-learn GradientBoostingClassifier: exponential"), assembled(sklearn_boosting, scale=half)
    ),
    "GradientBoosting: the learning rate lost": Fault(
        learn("GradientBoostingRegressor", y=T, n_estimators=6), assembled(sklearn_boosting, scale=one)
    ),
    **{
        f"GradientBoosting: init of {loss} left out": Fault(
            of(f"scikit-learn GradientBoostingRegressor: {loss}"), assembled(sklearn_boosting, base=zero)
        )
        for loss in ("squared_error", "absolute_error", "huber", "quantile")
    },
    "GradientBoosting: init of a classifier left out": Fault(
        learn("GradientBoostingClassifier", y=Y > 0, n_estimators=6), assembled(sklearn_boosting, base=zero)
    ),
    "GradientBoosting: init of three classes left out": Fault(
        of("scikit-learn GradientBoostingClassifier: log_loss"), assembled(sklearn_boosting, base=zero)
    ),
    "GradientBoosting: an init where there is none": Fault(
        of("scikit-learn GradientBoostingClassifier: init=zero"),
        assembled(sklearn_boosting, base=lambda base: np.asarray(base) + np.array([0.1, 0, 0])),
    ),
    "HistGradientBoosting: the baseline left out": Fault(
        of("scikit-learn HistGradientBoostingRegressor: poisson"), assembled(sklearn_boosting, base=zero)
    ),
    "XGBoost: outputs of a vector exchanged": Fault(
        of("XGBoost XGBRegressor: multi_output_tree"),
        replaced(xgboost, "_leaf_values", lambda right, *given: right(*given)[:, ::-1]),
    ),
    "XGBoost: vectors of other leaves": Fault(
        of("XGBoost XGBClassifier: multi_output_tree"),
        replaced(
            xgboost,
            "_leaf_values",
            lambda right, tree, leaf: np.where(leaf[:, None], np.roll(right(tree, leaf), 1, axis=0), 0),
        ),
    ),
    "LightGBM: the other class of two": Fault(light(y=Y > 0), assembled(lightgbm, scale=np.negative)),
    "XGBoost: the other class of two": Fault(
        gradient(y=(Y > 0).astype(int)), assembled(xgboost, scale=np.negative)
    ),
    "CatBoost: the other class of two": Fault(cat(y=Y > 0), assembled(catboost, scale=np.negative)),
    "an answer that is no number, of classes": Fault(
        gradient(), told(probabilities=lambda right: lambda rows: right(rows) * np.nan)
    ),
    "an answer that is no number, of values": Fault(
        gradient("XGBRegressor", y=T), told(probabilities=lambda right: lambda rows: right(rows) * np.nan)
    ),
    "labels in another order": Fault(
        light(y=NAMES[Y]),
        told(labels=lambda labels: labels[::-1]),
        "model: labels must be the library's, ties apart",
    ),
}


def in_order(kind: str, operators: Callable[[Any], tuple[tuple[str, Any], ...]]) -> Callable[[Patch], None]:
    """A scaler that computes these operators, in this order."""
    return step(kind, lambda _, s, b, p: sklearn_steps._computed(sklearn_steps.as_numbers(b), *operators(s)))


BEFORE = {
    "StandardScaler: divided before the mean is taken off": Fault(
        scaled("StandardScaler"),
        in_order("StandardScaler", lambda s: (("Div", s.scale_), ("Sub", s.mean_))),
        STEPS,
    ),
    "StandardScaler: multiplied by the inverse": Fault(
        scaled("StandardScaler"),
        in_order("StandardScaler", lambda s: (("Sub", s.mean_), ("Mul", 1 / s.scale_))),
        STEPS,
    ),
    "StandardScaler: the means of other columns": Fault(
        scaled("StandardScaler"), step("StandardScaler", without(mean_=lambda v: np.roll(v, 1))), STEPS
    ),
    "StandardScaler: scales rounded to float32": Fault(
        scaled("StandardScaler"), step("StandardScaler", without(scale_=np.float32)), STEPS
    ),
    "MinMaxScaler: added before it is multiplied": Fault(
        scaled("MinMaxScaler"),
        in_order("MinMaxScaler", lambda s: (("Add", s.min_), ("Mul", s.scale_))),
        STEPS,
    ),
    "MaxAbsScaler: scales a bit off": Fault(
        scaled("MaxAbsScaler"),
        step("MaxAbsScaler", without(scale_=lambda v: np.nextafter(v, np.inf))),
        STEPS,
    ),
    "RobustScaler: the centre lost": Fault(
        scaled("RobustScaler"), step("RobustScaler", without(center_=None)), STEPS
    ),
    "Binarizer: a value equal to the threshold is 1": Fault(
        scaled("Binarizer"),
        step("Binarizer", without(threshold=lambda t: np.nextafter(t, -np.inf))),
        STEPS,
    ),
    "SimpleImputer: the values of other columns": Fault(
        imputed(), step("SimpleImputer", without(statistics_=lambda v: np.roll(v, 1))), STEPS
    ),
    "SimpleImputer: values rounded to float32": Fault(
        imputed(), step("SimpleImputer", without(statistics_=np.float32)), STEPS
    ),
    "SimpleImputer: indicators of other columns": Fault(
        imputed(add_indicator=True),
        replaced(
            sklearn_steps,
            "_indicated",
            lambda _, indicator, block: sklearn_steps.Missing(
                sklearn_steps.Picked(block, tuple(int(i) for i in indicator.features_[::-1]))
            ),
        ),
        STEPS,
    ),
    "a pipeline's steps from the other end": Fault(
        nested, step("Pipeline", without(steps=lambda steps: steps[::-1])), STEPS
    ),
    "ColumnTransformer: blocks in another order": Fault(
        coded("OrdinalEncoder"),
        step("ColumnTransformer", without(transformers_=lambda parts: parts[::-1])),
        STEPS,
    ),
    "OneHotEncoder: categories in another order": Fault(
        coded("OneHotEncoder", handle_unknown="ignore"),
        replaced(sklearn_steps, "_keys", lambda right, c, place: right(c, place)[::-1]),
        STEPS,
    ),
    "OneHotEncoder: an unknown category is the first": Fault(
        coded("OneHotEncoder", handle_unknown="ignore"),
        replaced(
            sklearn_steps,
            "_unknown",
            lambda _, encoder, known, j: sklearn_steps._dense(
                encoder.transform(sklearn_steps._varied(known, j)[:1])
            ),
        ),
        STEPS,
    ),
    "OrdinalEncoder: an unknown category is 0": Fault(
        coded("OrdinalEncoder", handle_unknown="use_encoded_value", unknown_value=-1),
        replaced(sklearn_steps, "_unknown", lambda right, *given: right(*given) * 0),
        STEPS,
    ),
    "SelectKBest: the columns beside": Fault(
        chosen,
        replaced(
            sklearn_steps,
            "_selected",
            lambda _, s, block, place: sklearn_steps._pick(block, [0, 1, 2]),
        ),
        STEPS,
    ),
}

VOTES = {
    "calibration: the start lost": Fault(
        lambda: calibrated("GradientBoostingClassifier"),
        replaced(
            votes,
            "_steeper",
            lambda right, part, *rest: (
                lambda form: dataclasses.replace(form, base=form.base + float(part.calibrators[0].b_))
            )(right(part, *rest)),
        ),
        "model: probabilities must agree with the libraries",
    ),
    "calibration: a fold left out": Fault(
        lambda: calibrated("RandomForestClassifier"),
        lambda patch: _one_member_less(patch, "CalibratedClassifierCV"),
        "model: probabilities must be the model's",
    ),
    "a vote: a member left out": Fault(
        vote(voting="soft"),
        lambda patch: _one_member_less(patch, "VotingClassifier"),
        "model: probabilities must be the model's",
    ),
    "a vote: each member for its neighbour's classes": Fault(
        vote(voting="soft"),
        lambda patch: _members(
            patch,
            "VotingClassifier",
            lambda m: dataclasses.replace(
                m, voting=dataclasses.replace(m.voting, classes=m.voting.classes[::-1])
            ),
        ),
        "model: probabilities must be the model's",
    ),
}


def _one_member_less(patch: Patch, kind: str) -> None:
    right = votes._READERS[kind]

    def fewer(model: Any, place: str) -> Any:
        found = right(model, place)
        return dataclasses.replace(found, members=found.members[1:])

    patch.setitem(votes._READERS, kind, fewer)


def _members(patch: Patch, kind: str, change: Callable[[Any], Any]) -> None:
    right = votes._READERS[kind]

    def changed(model: Any, place: str) -> Any:
        found = right(model, place)
        return dataclasses.replace(found, members=tuple(change(m) for m in found.members))

    patch.setitem(votes._READERS, kind, changed)


FAULTS = THRESHOLDS | SUMS | BEFORE | VOTES


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_refused_and_its_place_is_named(name: str, monkeypatch: Patch) -> None:
    fault = FAULTS[name]
    model = fault.make()
    gradus_convert.compile(model, proof=fault.proof, encoding="compact")
    fault.plant(monkeypatch)
    with pytest.raises(ParityError, match=fault.says):
        gradus_convert.compile(model, proof=fault.proof, encoding="compact")
