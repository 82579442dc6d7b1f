"""Missing values, infinities and categories reach the leaves that the libraries give, and are proved."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import missing
from tests.support.graphs import session

from gradus_convert.errors import InexactModelError, ParityError
from gradus_convert.forest.ir import Forest, interpret, leaves
from gradus_convert.forest.views import CategoryView, FilledView, MissingView, View, nan_alone
from gradus_convert.graphs import LevelGraph, VotingMember, build_level
from gradus_convert.graphs import widened_row as graph_views
from gradus_convert.graphs.types import Encoding
from gradus_convert.parity import LevelMember, Proof, prove_level
from gradus_convert.parity.regions import Domain, atoms_of, rows_at_splits
from gradus_convert.readers import NativeModel, read_model

CLASSES = ("no", "yes")
EVERYWHERE = np.ones(missing.WIDTH, np.bool_)
PLAIN = np.nan_to_num(missing.rows()[0], nan=0.5)


@cache
def native_of(name: str) -> NativeModel:
    return read_model(missing.fit(name))


def forest_of(native: NativeModel) -> Forest:
    assert isinstance(native.lowered, Forest)
    return native.lowered


def odd(native: NativeModel) -> np.ndarray:
    """Odd rows that the library takes."""
    forest = forest_of(native)
    rows = missing.odd_rows(np.unique(forest.threshold[forest.feature >= 0]))
    able = np.zeros(missing.WIDTH, np.bool_) if native.infinite is None else native.infinite
    return rows[(able | ~np.isinf(rows)).all(axis=1)]


def prove(
    natives: list[NativeModel], compiled: list[Forest] | None = None, encoding: Encoding = "compact"
) -> Proof:
    """Prove with the forests that readers made, and those that were compiled, by default the same."""

    def members(models: list[Any]) -> list[VotingMember]:
        return [VotingMember(f"m{i}", 1.0 + i, m, (0, 1)) for i, m in enumerate(models)]

    read = members([n.lowered for n in natives])
    written = members(compiled or [n.lowered for n in natives])

    def build(leaves: bool) -> LevelGraph:
        return build_level(written, missing.NAMES, CLASSES, encoding=encoding, metadata={}, leaves=leaves)

    proof_of = [LevelMember(v, n) for v, n in zip(read, natives, strict=True)]
    return prove_level(proof_of, build, PLAIN, n_classes=2, vote="soft", place="level1")


@pytest.mark.parametrize("name", missing.MODELS)
def test_every_tree_ends_at_the_leaf_of_its_library_whatever_is_missing(name):
    native = native_of(name)
    forest, rows = forest_of(native), odd(native)
    assert len(rows) > 1000
    assert native.leaves is not None
    wrong = forest.native_leaf[leaves(forest, rows)] != native.leaves(rows, range(forest.n_trees))
    assert wrong.sum() == 0
    said = missing.fit(name).predict_proba(rows)
    assert interpret(forest, rows).probabilities == pytest.approx(said, abs=1e-6)


@pytest.mark.parametrize("encoding", ["compact", "treeops", "treeops5"])
@pytest.mark.parametrize(
    "name",
    [
        "lightgbm, categories, zero_as_missing",
        "xgboost, categories, missing 7",
        "hist gradient boosting, odd categories",
        "random forest, NaN",
    ],
)
def test_every_encoding_walks_to_the_same_leaves_one_row_and_many(name, encoding):
    native = native_of(name)
    forest, rows = forest_of(native), odd(native)
    graph = build_level(
        [VotingMember("m", 1.0, forest, (0, 1))],
        missing.NAMES,
        CLASSES,
        encoding=encoding,
        metadata={},
        leaves=True,
    )
    run = session(graph.model_bytes).run
    expected = leaves(forest, rows)
    assert (run(["leaves"], {"features": rows})[0] == expected).all()
    for i in range(0, len(rows), 50):
        assert (run(["leaves"], {"features": rows[i : i + 1]})[0] == expected[i : i + 1]).all()


@pytest.mark.parametrize("name", missing.MODELS)
def test_the_proof_covers_missing_values_and_categories(name):
    native = native_of(name)
    parity = prove([native]).parity
    splits = int((forest_of(native).feature >= 0).sum())
    assert parity.wrong_leaves == 0
    assert parity.label_changes == 0
    assert parity.boundary_rows > 3 * splits


@pytest.mark.parametrize("encoding", ["compact", "treeops"])
def test_members_with_different_rules_share_one_widened_row(encoding):
    names = (
        "lightgbm, categories",
        "xgboost, categories",
        "lightgbm, zero_as_missing",
        "xgboost, missing -999",
        "hist gradient boosting, odd categories",
        "random forest, NaN",
        "catboost, nan_mode Max",
    )
    assert prove([native_of(n) for n in names], encoding=encoding).parity.wrong_leaves == 0


@pytest.mark.parametrize("name", missing.MODELS)
def test_rows_at_splits_reach_every_split_that_odd_rows_reach_on_both_sides(name):
    native = native_of(name)
    forest = forest_of(native)
    infinite = np.zeros(missing.WIDTH, np.bool_) if native.infinite is None else native.infinite
    every = Domain(EVERYWHERE, infinite)
    made = np.concatenate(list(rows_at_splits(forest, range(forest.n_trees), atoms_of(forest, every), PLAIN)))
    wanted, found = (nodes_on_the_way(forest, rows) for rows in (odd(native), made))
    assert wanted - found == set()
    assert np.isnan(made).any()


def nodes_on_the_way(forest: Forest, rows: np.ndarray) -> set[int]:
    """Every node that some row visits, by plain steps."""
    shown = np.concatenate([rows, *(v.of(rows[:, v.column])[:, None] for v in forest.views)], axis=1)
    seen: set[int] = set()
    for root in forest.roots.tolist():
        node = np.full(len(rows), root)
        while True:
            seen |= set(np.unique(node).tolist())
            split = forest.feature[node] >= 0
            if not split.any():
                break
            x = shown[np.arange(len(rows)), np.maximum(forest.feature[node], 0)]
            step = np.where(x <= forest.threshold[node], forest.left[node], forest.right[node])
            node = np.where(split, step, node)
    return seen


def without_nan(rows: np.ndarray) -> np.ndarray:
    return rows[np.isfinite(rows).all(axis=1)]


@pytest.mark.parametrize("name", missing.MODELS)
def test_a_forest_for_finite_rows_has_the_same_leaves_and_fewer_views(name):
    native = native_of(name)
    finite = native.for_rows()
    rows = without_nan(np.concatenate([odd(native), missing.rows(seed=5)[0]]))
    assert len(rows) > 100
    forest, small = forest_of(native), forest_of(finite)
    before = forest.native_leaf[leaves(forest, rows)]
    assert (small.native_leaf[leaves(small, rows)] == before).all()
    assert len(small.views) <= len(forest.views)
    assert all(isinstance(v, CategoryView) or not nan_alone(v) for v in small.views)
    assert finite.missing is not None
    assert not finite.missing.any()


@pytest.mark.parametrize("name", ["lightgbm, missing NaN", "xgboost, missing NaN"])
def test_views_of_the_columns_that_may_be_missing_stay(name):
    some = np.array([True, False, False, True, False])
    native = native_of(name).for_rows(some)
    assert {v.column for v in forest_of(native).views} == {0, 3}
    assert prove([native]).parity.wrong_leaves == 0


def test_a_member_that_takes_no_nan_is_refused_where_a_column_may_be_missing():
    native = dataclasses.replace(native_of("xgboost, missing NaN"), missing=None)
    with pytest.raises(InexactModelError, match="a column may be missing only where every member takes NaN"):
        native.for_rows(EVERYWHERE)


def with_views(forest: Forest, change: Callable[[View], View]) -> Forest:
    return dataclasses.replace(forest, views=tuple(change(v) for v in forest.views))


def fill_turned(view: View) -> View:
    return dataclasses.replace(view, fill=-view.fill) if isinstance(view, FilledView) else view


def fill_of_zero_lost(view: View) -> View:
    none = isinstance(view, FilledView) and view.fill == 0
    return dataclasses.replace(view, fill=np.inf) if none else view


def range_lost(view: View) -> View:
    return dataclasses.replace(view, low=np.inf, high=-np.inf)


def range_of_zero_alone(view: View) -> View:
    return dataclasses.replace(view, low=0.0, high=0.0) if view.low < 0 < view.high else view


def range_of_positive_values(view: View) -> View:
    return dataclasses.replace(view, low=0.0) if view.low < 0 < view.high else view


def side_turned(place: int) -> Callable[[View], View]:
    def change(view: View) -> View:
        if not isinstance(view, CategoryView):
            return view
        sides = bytearray(view.sides)
        sides[place] ^= 1
        return dataclasses.replace(view, sides=bytes(sides))

    return change


def another_reading(view: View) -> View:
    other: dict[str, Any] = {"truncated": "floored", "floored": "truncated"}
    return dataclasses.replace(view, reading=other[view.reading]) if isinstance(view, CategoryView) else view


def alone_turned(view: View) -> View:
    return dataclasses.replace(view, value=1 - view.value) if isinstance(view, MissingView) else view


def values_shifted(view: View) -> View:
    values = view.values if isinstance(view, CategoryView) else ()
    return dataclasses.replace(view, values=values[1:] + values[:1]) if values else view


def categories_lost(view: View) -> View:
    """Categories from 8 on are lost, as if a set had one byte."""
    if not isinstance(view, CategoryView) or view.size <= 8:
        return view
    return dataclasses.replace(view, sides=view.sides[:10] + view.sides[-1:], values=view.values[:8])


def ends_cut(view: View) -> View:
    """The last category of a set is lost, as by a table that is one too short."""
    return (
        dataclasses.replace(view, sides=view.sides[:-2] + view.sides[-1:])
        if isinstance(view, CategoryView)
        else view
    )


READER_FAULTS: dict[str, tuple[str, Callable[[View], View]]] = {
    "lightgbm: NaN on the other side": ("lightgbm, missing NaN", fill_turned),
    "lightgbm: NaN not taken for 0": ("lightgbm, missing none", fill_of_zero_lost),
    "lightgbm: zero not missing": ("lightgbm, zero_as_missing", range_lost),
    "lightgbm: zero without its band": ("lightgbm, zero_as_missing", range_of_zero_alone),
    "lightgbm: half of the band": ("lightgbm, zero_as_missing", range_of_positive_values),
    "lightgbm: a missing category": ("lightgbm, categories", side_turned(0)),
    "lightgbm: a negative category": ("lightgbm, categories", side_turned(1)),
    "lightgbm: category 0": ("lightgbm, categories", side_turned(2)),
    "lightgbm: the last category": ("lightgbm, categories", ends_cut),
    "lightgbm: an unseen category": ("lightgbm, categories", side_turned(-1)),
    "lightgbm: -0.5 is no category": ("lightgbm, categories", another_reading),
    "xgboost: NaN on the other side": ("xgboost, missing NaN", fill_turned),
    "xgboost: -999 not missing": ("xgboost, missing -999", range_lost),
    "xgboost: infinity not missing": ("xgboost, missing infinity", range_lost),
    "xgboost: a missing category": ("xgboost, categories", side_turned(0)),
    "xgboost: a negative category": ("xgboost, categories", side_turned(1)),
    "xgboost: the last category": ("xgboost, categories one-hot", ends_cut),
    "xgboost: an unseen category": ("xgboost, categories", side_turned(-1)),
    "xgboost: -0.5 is category 0": ("xgboost, categories", another_reading),
    "random forest: NaN on the other side": ("random forest, NaN", fill_turned),
    "random forest: NaN against all others": ("random forest, NaN", alone_turned),
    "hist: NaN on the other side": ("hist gradient boosting, NaN", fill_turned),
    "hist: NaN against all others": ("hist gradient boosting, NaN", alone_turned),
    "hist: a missing category": ("hist gradient boosting, categories", side_turned(0)),
    "hist: the first category": ("hist gradient boosting, categories", side_turned(2)),
    "hist: the last category": ("hist gradient boosting, categories", side_turned(-2)),
    "hist: an unseen category": ("hist gradient boosting, categories", side_turned(-1)),
    "hist: categories by another number": ("hist gradient boosting, odd categories", values_shifted),
    "hist: categories lost": ("hist gradient boosting, categories", categories_lost),
    "lightgbm: categories lost": ("lightgbm, categories", categories_lost),
    "xgboost: categories lost": ("xgboost, categories", categories_lost),
    "catboost: NaN on the other side": ("catboost, nan_mode Max", fill_turned),
    "xgboost: a category that is missing": ("xgboost, categories, missing 7", range_lost),
}


@pytest.mark.parametrize("fault", READER_FAULTS)
def test_a_fault_of_a_reader_is_caught_by_the_proof(fault):
    name, change = READER_FAULTS[fault]
    native = native_of(name)
    broken = with_views(forest_of(native), change)
    assert broken.views != forest_of(native).views
    with pytest.raises(ParityError, match="every tree must end at the leaf of its library"):
        prove([dataclasses.replace(native, lowered=broken)])


@pytest.mark.parametrize("fault", READER_FAULTS)
def test_a_fault_of_the_compiler_is_caught_by_the_proof(fault):
    name, change = READER_FAULTS[fault]
    native = native_of(name)
    with pytest.raises(ParityError, match=r"every|a graph must look at"):
        prove([native], [with_views(forest_of(native), change)])


def test_a_wrong_number_in_the_widened_row_is_named(monkeypatch):
    real = graph_views._row
    monkeypatch.setattr(
        graph_views, "_row", lambda graph, values: real(graph, [2.0 if v == -2 else v for v in values])
    )
    monkeypatch.setattr("gradus_convert.parity.forests.check_leaves_of_rows", lambda *_: None)
    native = native_of("xgboost, missing infinity")
    broken = with_views(forest_of(native), range_lost)
    with pytest.raises(ParityError, match=r"graph: widened_rows, column \d+: every view of a row must equal"):
        prove([native], [broken])


def test_a_view_that_breaks_its_promise_is_refused():
    forest = forest_of(native_of("xgboost, missing NaN"))
    for view, message in [
        (FilledView(9, 0.0), "a view's column must be one of the row, but got 9"),
        (FilledView(0, float("nan")), "a view's fill must be a number"),
        (FilledView(0, 0.0, float("nan")), "a view's range must be of numbers"),
        (MissingView(0, 2), "a view's value must be 0 or 1, but got 2"),
        (CategoryView(0, "floored", b"\0\0"), "a view's sides must be 0 or 1"),
        (CategoryView(0, "listed", b"\0\0\1\0"), "a listed view must have a value for each category"),
        (CategoryView(0, "rounded", b"\0\0\0"), "a view's reading must be known, but got 'rounded'"),  # type: ignore[arg-type]
    ]:
        with pytest.raises(InexactModelError, match=message):
            dataclasses.replace(forest, views=(view, *forest.views[1:]))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**16),
    library=st.sampled_from(["lightgbm", "xgboost", "forest", "hist"]),
    absent=st.sampled_from([np.nan, 0.0, -999.0]),
    share=st.sampled_from([0.0, 0.05, 0.6]),
    categories=st.booleans(),
)
def test_any_small_model_with_missing_values_is_proved(seed, library, absent, share, categories):
    import lightgbm
    import xgboost
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    X, y = missing.rows(None, seed, 150)
    rng = np.random.default_rng(seed)
    X[rng.random(X.shape) < share] = np.nan if library in ("forest", "hist") else absent
    sets = [3, 4] if categories else []
    models: dict[str, Callable[[], Any]] = {
        "lightgbm": lambda: lightgbm.LGBMClassifier(
            n_estimators=3,
            num_leaves=9,
            min_child_samples=2,
            min_data_per_group=1,
            zero_as_missing=absent == 0,
            n_jobs=1,
            verbose=-1,
        ).fit(X, y, categorical_feature=sets),
        "xgboost": lambda: xgboost.XGBClassifier(
            n_estimators=3,
            max_depth=5,
            missing=absent,
            n_jobs=1,
            min_child_weight=0,
            **({"enable_categorical": True, "feature_types": list("qqqcc")} if sets else {}),
        ).fit(np.where(np.isin(np.arange(5), [3, 4]) & (X < 0), np.nan, X) if sets else X, y),
        "forest": lambda: RandomForestClassifier(3, max_depth=6, random_state=seed).fit(X, y),
        "hist": lambda: HistGradientBoostingClassifier(
            max_iter=3, min_samples_leaf=2, categorical_features=sets or None
        ).fit(X, y),
    }
    assert prove([read_model(models[library]())]).parity.wrong_leaves == 0
