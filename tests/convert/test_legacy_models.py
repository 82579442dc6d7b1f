import copy
import pickle
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.ensemble import RandomForestRegressor
from tests.support import legacy_models
from tests.support.legacy_models import KINDS, NAMES, ProductionEnsemble, ensemble, model, rows

from gradus_convert.errors import InexactModelError
from gradus_convert.pickles.ensemble import read_ensemble
from gradus_convert.pickles.inert import BrokenPickleError, UnsafePickleError
from gradus_convert.readers import read_model
from gradus_runtime.errors import DataError, EnvironmentFailedError

PROTOCOLS = [0, 2, 4, 5, "joblib", "joblib, compressed"]


def write(folder, value, protocol=5, name="ensemble.pkl"):
    path = folder / name
    if isinstance(protocol, int):
        path.write_bytes(pickle.dumps(value, protocol))
    else:
        joblib.dump(value, path, compress=3 if "," in protocol else 0)
    return path


def native_probabilities(original, X):
    if hasattr(original, "predict_proba"):
        return original.predict_proba(X)
    p = original.predict(xgb.DMatrix(X) if isinstance(original, xgb.Booster) else X)
    return p if p.ndim == 2 else np.stack([1 - p, p], axis=1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_answers_as_the_original_whatever_the_protocol(tmp_path, kind, classes):
    original = model(kind, classes)
    X, _ = rows(seed=1)
    wanted = native_probabilities(original, legacy_models.table(X) if "named" in kind else X)
    for protocol in PROTOCOLS:
        (member,) = read_ensemble((write(tmp_path, original, protocol),)).members
        got = read_model(member.rebuilt.model).probabilities(X)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-7, err_msg=str(protocol))
        assert member.rebuilt.feature_names == (NAMES if "named" in kind else None)
        if "text labels" in kind:
            assert member.rebuilt.labels == tuple(original.classes_)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "random forest"])
def test_every_row_reaches_the_leaf_the_original_gives(tmp_path, kind):
    original = model(kind)
    X, _ = rows(seed=2)
    (member,) = read_ensemble((write(tmp_path, original),)).members
    native = read_model(member.rebuilt.model)
    leaves = native.leaves(X, range(native.lowered.n_trees))
    wanted = original.predict(X, pred_leaf=True) if kind == "lightgbm" else original.apply(X)
    np.testing.assert_array_equal(leaves, wanted)


def boundary_rows(forest):
    """Rows that stand on a threshold, and at its two float32 neighbours; every split of the forest."""
    splits = np.flatnonzero(forest.feature >= 0)
    base, _ = rows(seed=6)
    X = np.tile(base[np.arange(len(splits)) % len(base)], (3, 1))
    below, above = (np.nextafter(forest.threshold[splits], np.float32(s * np.inf)) for s in (-1, 1))
    X[np.arange(len(X)), np.tile(forest.feature[splits], 3)] = [*below, *forest.threshold[splits], *above]
    return X


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", [k for k in KINDS if "scaled" not in k])
def test_rows_on_a_threshold_reach_the_leaf_that_the_original_gives(tmp_path, kind, classes):
    original = model(kind, classes)
    (member,) = read_ensemble((write(tmp_path, original),)).members
    native = read_model(member.rebuilt.model).for_rows()
    X = boundary_rows(native.lowered)
    leaves = native.leaves(X, range(native.lowered.n_trees))
    if "lightgbm" in kind:
        wanted = original.predict(X, pred_leaf=True, validate_features=False)
    elif "xgboost" in kind:
        booster = original.get_booster() if hasattr(original, "get_booster") else original
        wanted = booster.predict(xgb.DMatrix(X), pred_leaf=True, validate_features=False)[
            :, : leaves.shape[1]
        ]
    else:
        wanted = original.apply(legacy_models.table(X) if "named" in kind else X).reshape(leaves.shape)
    np.testing.assert_array_equal(leaves, wanted.reshape(len(X), -1))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_ensemble_of_unknown_code_gives_members_weights_and_names(tmp_path, protocol):
    found = read_ensemble((write(tmp_path, ensemble(), protocol),))
    assert [m.name for m in found.members] == ["lightgbm", "xgboost", "random_forest"]
    assert found.weights == {"lightgbm": 0.4, "xgboost": 0.4, "random_forest": 0.2}
    assert found.feature_names == NAMES
    assert found.labels == (0, 1, 2)
    assert found.vote == "soft"


@pytest.mark.parametrize(
    "names", [np.array(NAMES), np.array(NAMES, dtype=object), pd.Index(NAMES, dtype=object), tuple(NAMES)]
)
def test_names_may_be_a_list_an_array_or_an_index(tmp_path, names):
    value = ProductionEnsemble({"lightgbm": model("lightgbm")}, [1.0], names)
    found = read_ensemble((write(tmp_path, value),))
    assert found.feature_names == NAMES
    assert found.weights == {"lightgbm": 1.0}


def test_a_mapping_and_a_namespace_do_as_well_as_a_class(tmp_path):
    parts = vars(ensemble())
    for value in (dict(parts), SimpleNamespace(**parts)):
        assert len(read_ensemble((write(tmp_path, value),)).members) == 3


def test_several_files_give_one_member_each_named_by_the_file(tmp_path):
    paths = tuple(
        write(tmp_path, model(kind), name=name)
        for kind, name in (
            ("lightgbm", "lightgbm_model.pkl"),
            ("xgboost", "xgboost_model.pkl"),
            ("random forest", "random_forest_model.joblib"),
        )
    )
    found = read_ensemble(paths)
    assert [m.name for m in found.members] == ["lightgbm", "xgboost", "random_forest"]
    assert found.weights is None


def test_a_voting_classifier_is_an_ensemble(tmp_path):
    found = read_ensemble((write(tmp_path, model("voting")),))
    assert [m.name for m in found.members] == ["lgb", "rf"]
    assert found.weights == {"lgb": 0.7, "rf": 0.3}
    assert found.vote == "soft"


def test_a_regressors_pickle_is_refused_with_what_reads_it(tmp_path):
    forest = RandomForestRegressor(2, random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])
    with pytest.raises(DataError, match=r"got 'sklearn.*RandomForestRegressor'.*takes more from skops"):
        read_ensemble((write(tmp_path, forest),))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: setattr(e, "models", {}), "must hold `models`"),
        (
            lambda e: vars(e).update(models={"a": 1}, weights=None),
            r"models\['a'\]: a member must be a LightGBM, XGBoost",
        ),
        (lambda e: setattr(e, "weights", {"a": 1.0}), "weights must be given for each member"),
        (lambda e: setattr(e, "weights", [0.4, 0.4, -1]), "weight must be a number of at least 0"),
        (lambda e: setattr(e, "weights", [0.4, 0.4, float("nan")]), "weight must be a number of at least 0"),
    ],
)
def test_an_ensemble_that_lacks_something_is_refused_with_the_place(tmp_path, change, message):
    value = ensemble()
    change(value)
    with pytest.raises(DataError, match=message):
        read_ensemble((write(tmp_path, value),))


def test_members_fitted_on_other_columns_are_refused(tmp_path):
    models = {
        "a": model("lightgbm, named, stopped early, text labels"),
        "b": model("random forest, named, text labels"),
    }
    value = ProductionEnsemble(models, [0.5, 0.5], list(NAMES[::-1]))
    with pytest.raises(DataError, match="same columns in the same order"):
        read_ensemble((write(tmp_path, value),))


def test_a_missing_value_other_than_nan_is_refused(tmp_path):
    X, y = rows()
    original = xgb.XGBClassifier(n_estimators=2, missing=-999.0, n_jobs=1).fit(X, y)
    with pytest.raises(InexactModelError, match="missing must be NaN, but got -999"):
        read_ensemble((write(tmp_path, original),))


def test_a_model_that_was_never_fitted_is_refused(tmp_path):
    from lightgbm import LGBMClassifier

    with pytest.raises(BrokenPickleError, match="must be fitted"):
        read_ensemble((write(tmp_path, LGBMClassifier()),))


def test_another_scikit_learn_is_named_with_the_command_that_reads_it(tmp_path):
    original = copy.deepcopy(model("random forest"))
    data = pickle.dumps(original, 2)
    import sklearn

    written = sklearn.__version__.encode()
    old = b"1.2.0"[: len(written)].ljust(len(written), b"0")
    path = tmp_path / "old.pkl"
    path.write_bytes(data.replace(written, old))
    with pytest.raises(EnvironmentFailedError) as caught:
        read_ensemble((path,))
    assert f"written by {old.decode()}, installed {sklearn.__version__}" in str(caught.value)
    command = f"uv run --no-project --with scikit-learn=={old.decode()} --with 'numpy<2' gradus import ..."
    assert command in str(caught.value)
    (member,) = read_ensemble((path,), any_version=True).members
    X, _ = rows(seed=1)
    np.testing.assert_array_equal(
        read_model(member.rebuilt.model).probabilities(X), original.predict_proba(X)
    )


def forest_with(change):
    """A pickled forest whose first tree's state was changed."""
    from sklearn.ensemble import RandomForestClassifier

    X, y = rows()
    fitted = RandomForestClassifier(2, max_depth=3, random_state=0).fit(X, y)

    class Changed:
        def __init__(self, tree):
            self.tree = tree

        def __reduce__(self):
            kind, args, state = self.tree.__reduce__()
            state = {k: v.copy() if hasattr(v, "copy") else v for k, v in state.items()}
            change(state)
            return kind, args, state

    for name, value in vars(fitted.estimators_[0]).items():
        if name == "tree_":
            fitted.estimators_[0].__dict__[name] = Changed(value)
    return fitted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["nodes"]["left_child"].__setitem__(0, 9999), "child must stand behind its parent"),
        (lambda s: s["nodes"]["left_child"].__setitem__(0, 0), "child must stand behind its parent"),
        (lambda s: s["nodes"]["feature"].__setitem__(0, 77), "column that exists"),
        (lambda s: s["nodes"]["right_child"].__setitem__(0, 1), "a node must have one parent"),
        (lambda s: s["nodes"]["right_child"].__setitem__(0, -1), "two children or none"),
        (lambda s: s.__setitem__("node_count", 10**6), "node_count must be the number of nodes"),
        (lambda s: s.__setitem__("values", s["values"][:, :, :1]), "must be able to read the tree"),
    ],
)
def test_a_tree_that_would_lead_out_of_its_arrays_is_refused(tmp_path, change, message):
    with pytest.raises((BrokenPickleError, EnvironmentFailedError), match=message):
        read_ensemble((write(tmp_path, forest_with(change)),))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_classes_": 5}, "share its columns and classes"),
        ({"n_features_in_": 3}, "share its columns and classes"),
        ({"predict_proba": 1}, "must not stand for a method"),
        ({"estimators_": []}, "share its columns and classes"),
        ({"n_classes_": "three"}, "must be what its library writes"),
        ({"extra": ProductionEnsemble({}, {}, [])}, "must hold only what it needs"),
        ({"extra": print}, "a pickle may mention only what models need"),
        ({"extra": dict}, None),
    ],
)
def test_a_forest_with_a_state_that_does_not_fit_is_refused(tmp_path, change, message):
    original = copy.deepcopy(model("random forest"))
    original.__dict__.update(change)
    path = write(tmp_path, original)
    if message is None:
        message = "must hold values"
    with pytest.raises((BrokenPickleError, UnsafePickleError), match=message):
        read_ensemble((path,))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_leaves=7", "num_leaves=2000000000", "tree 0: num_leaves must be a whole number"),
        ("num_leaves=7", "num_leaves=200000000", "tree 0: num_leaves must be the number of leaf values, 7"),
        ("num_leaves=7", "", "tree 0: num_leaves must be a whole number"),
        ("num_class=3", "num_class=300000", "at most 64 classes"),
        ("num_tree_per_iteration=3", "num_tree_per_iteration=4", "trees must come in whole rounds"),
        ("num_tree_per_iteration=3", "num_tree_per_iteration=0", "a round must have 1 to 64 trees"),
        ("max_feature_idx=4", "max_feature_idx=400000000", "a model must have 1 to 1048576 columns"),
        ("max_feature_idx=4", "max_feature_idx=3", "each column needs a name"),
        ("objective=", "objective=%n", "the objective must be a word"),
        ("left_child=", "left_child=9 ", "left_child must have 6 values"),
        ("left_child=1", "left_child=0", "a child must stand behind its parent"),
        ("left_child=1", "left_child=99", "a child must stand behind its parent"),
        ("split_feature=0", "split_feature=99", "a split must look at a column that exists"),
        ("split_feature=", "leaf_value=0\nsplit_feature=", "a key must occur once"),
        ("split_feature=", "\vsplit_feature=", "plain text"),
        ("threshold=", "threshold=nan ", "threshold must have 6 values"),
        ("threshold=-", "threshold=x", "threshold must be numbers"),
        ("decision_type=2", "decision_type=99", "a decision type must be known"),
        ("leaf_value=-", "leaf_value=inf", "leaf values must be numbers"),
        ("num_cat=0", "num_cat=1", "splits must compare numbers, not categories"),
        ("is_linear=0", "is_linear=1", "leaves must be constants"),
    ],
)
def test_a_lightgbm_text_whose_counts_lie_is_refused_before_the_library_reads_it(tmp_path, old, new, message):
    text = model("lightgbm").booster_.model_to_string()
    with pytest.raises(BrokenPickleError, match=message):
        read_ensemble((forged_booster(tmp_path, text.replace(old, new, 1)),))


def forged_booster(folder, text):
    """A pickled LightGBM Booster with a text of our own, which LightGBM itself never saw."""
    handle = text.encode()
    start = b"\x80\x02clightgbm.basic\nBooster\n)\x81}X\x07\x00\x00\x00_handleX"
    path = folder / "forged.pkl"
    path.write_bytes(start + len(handle).to_bytes(4, "little") + handle + b"sb.")
    return path


def test_an_xgboost_buffer_that_xgboost_cannot_read_is_named_with_its_version(tmp_path):
    path = tmp_path / "m.pkl"
    buffer = b'{"Model":{"version":[1,7,6],"learner":1}}'
    path.write_bytes(
        b"\x80\x03cxgboost.core\nBooster\n)\x81}X\x06\x00\x00\x00handleC"
        + bytes([len(buffer)])
        + buffer
        + b"sb."
    )
    with pytest.raises(BrokenPickleError, match=r"newer wrote, whole: written by 1\.7\.6: TypeError"):
        read_ensemble((path,))


@pytest.mark.parametrize("kind", ["lightgbm.basic\nBooster", "xgboost.core\nBooster"])
def test_a_booster_without_its_model_is_refused(tmp_path, kind):
    path = tmp_path / "m.pkl"
    path.write_bytes(b"\x80\x02c" + kind.encode() + b"\n)\x81}b.")
    with pytest.raises(BrokenPickleError, match="must hold its"):
        read_ensemble((path,))


def test_several_files_must_each_hold_a_classifier(tmp_path):
    paths = (write(tmp_path, model("lightgbm"), name="a.pkl"), write(tmp_path, [1], name="b.pkl"))
    with pytest.raises(DataError, match=r"b\.pkl: a member must be a LightGBM, XGBoost or scikit"):
        read_ensemble(paths)
