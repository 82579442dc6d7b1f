"""Files as teams have them: what is not supported is said so, names are mapped, members may be left out."""

import pickle
import struct

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.neighbors import KNeighborsClassifier
from tests.support.hostile_pickles import text
from tests.support.legacy_models import NAMES, ProductionEnsemble, dump, ensemble, model, rows, short, table

from gradus_convert.artifact import build_artifact
from gradus_convert.pickles import check_boosting
from gradus_convert.pickles.ensemble import read_ensemble
from gradus_convert.pickles.imported import ImportRequest, import_spec
from gradus_convert.pickles.inert import BrokenPickleError, UnsafePickleError
from gradus_convert.readers import read_model
from gradus_runtime.errors import DataError, GradusError, UsageError


def request(files, **changes):
    values = {"name": "btc-jpy", "version": "2026.11.21", "files": files, "classes": "SELL,HOLD,BUY"}
    return ImportRequest(**{**values, **changes})


def spec_of(tmp_path, value, name="m.pkl", **changes):
    return import_spec(request({"": (dump(tmp_path, value, name),)}, **changes))


# Names of columns


def test_names_of_a_pandas_3_index_are_read(tmp_path):
    names = pd.DataFrame(columns=list(NAMES)).columns
    assert names.dtype != object or pd.__version__ < "3"
    value = ProductionEnsemble({"a": model("lightgbm")}, [1.0], names)
    for protocol in (2, 4, 5):
        path = tmp_path / "m.pkl"
        path.write_bytes(pickle.dumps(value, protocol))
        assert read_ensemble((path,)).feature_names == NAMES


def arrow_index(names, *, wide=True, chunked=True):
    """A pandas Index of Arrow text, as pandas 3 with pyarrow pickles it (protocol 3)."""
    ends = np.cumsum([0, *map(len, names)]).astype("<i8" if wide else "<i4").tobytes()
    data = "".join(names).encode()

    def call(module, name, arguments):
        return b"c%s\n%s\n" % (module, name) + arguments + b"R"

    def buffer(content):
        return call(b"pyarrow.lib", b"py_buffer", b"B" + struct.pack("<I", len(content)) + content + b"\x85")

    kind = call(b"pyarrow.lib", b"type_for_alias", text("large_string" if wide else "string") + b"\x85")
    buffers = b"](N" + buffer(ends) + buffer(data) + b"e"
    state = b"(" + kind + b"K" + bytes([len(names)]) + b"K\x00K\x00" + buffers + b"]N" + b"t"
    array = call(b"pyarrow.lib", b"_restore_array", state + b"\x85")
    if chunked:
        array = call(b"pyarrow.lib", b"chunked_array", b"](" + array + b"e" + kind + b"\x86")
    held = b"cpandas.arrays\nArrowStringArray\n)\x81}" + text("_pa_array") + array + b"sb"
    index = b"(cpandas\nIndex\n}(" + text("data") + held + text("name") + b"Nut"
    return call(b"pandas.core.indexes.base", b"_new_Index", index)


@pytest.mark.parametrize("options", [{}, {"wide": False}, {"chunked": False}])
def test_names_of_a_pandas_3_index_of_arrow_text_are_read(tmp_path, options):
    models = pickle.dumps({"a": model("lightgbm")}, 3)[2:-1]
    data = (
        b"\x80\x03}("
        + text("models")
        + models
        + text("feature_names")
        + arrow_index(NAMES, **options)
        + b"u."
    )
    path = tmp_path / "m.pkl"
    path.write_bytes(data)
    assert read_ensemble((path,)).feature_names == NAMES


def test_arrow_text_whose_offsets_lie_is_no_list_of_names(tmp_path):
    data = arrow_index(NAMES).replace(struct.pack("<q", 5), struct.pack("<q", 5_000))
    path = tmp_path / "m.pkl"
    path.write_bytes(b"\x80\x03}(" + text("models") + pickle.dumps({"a": model("lightgbm")}, 3)[2:-1]
                     + text("feature_names") + data + b"u.")  # fmt: skip
    assert read_ensemble((path,)).feature_names is None


ODD = ["close price", "volume%", "1st", "usd_jpy", "dxy"]
SAFE = ("close_price", "volume_", "_1st", "usd_jpy", "dxy")


def test_names_that_an_artifact_cannot_have_are_refused_with_the_way_out(tmp_path):
    value = ProductionEnsemble({"a": model("lightgbm")}, [1.0], ODD)
    with pytest.raises(DataError, match=r"'close price'.* --rename-features: it becomes close_price"):
        spec_of(tmp_path, value)
    spec = spec_of(tmp_path, value, rename_features=True)
    assert spec.order.names == SAFE
    (remark,) = [r for r in spec.remarks if "renamed" in r]
    assert "'close price' is close_price, 'volume%' is volume_, '1st' is _1st" in remark
    X, _ = rows(seed=5)
    path = tmp_path / "rows.csv"
    pd.DataFrame(X, columns=ODD).to_csv(path, index=False)
    np.testing.assert_array_equal(spec_of(tmp_path, value, rename_features=True, rows=path).holdout, X)


def test_names_that_would_be_the_same_are_refused(tmp_path):
    value = ProductionEnsemble({"a": model("lightgbm")}, [1.0], ["a b", "a_b", "c", "d", "e"])
    with pytest.raises(DataError, match="features must differ when they are renamed"):
        spec_of(tmp_path, value, rename_features=True)


def test_lightgbm_writes_blanks_as_underscores_and_the_names_that_were_given_win(tmp_path):
    X, y = rows()
    frame = pd.DataFrame(X, columns=["close price", *NAMES[1:]])
    booster = lgb.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(frame, y).booster_
    assert booster.feature_name()[0] == "close_price"
    value = ProductionEnsemble({"a": booster, "b": model("lightgbm")}, [1, 1], list(frame.columns))
    assert read_ensemble((dump(tmp_path, value),)).feature_names == tuple(frame.columns)
    bare = read_ensemble((dump(tmp_path, booster, "bare.pkl"),))
    assert bare.feature_names == ("close_price", *NAMES[1:])
    assert any("writes _ for blanks" in r for r in bare.remarks)


# Files that were refused as if hostile


def test_callbacks_of_the_libraries_are_no_attack(tmp_path):
    X, y = rows()
    stop = xgb.callback.EarlyStopping(rounds=2)
    original = xgb.XGBClassifier(n_estimators=30, max_depth=3, callbacks=[stop], n_jobs=1)
    original.fit(X, y, eval_set=[(X[::2], y[::-2])], verbose=False)
    (member,) = read_ensemble((dump(tmp_path, original),)).members
    np.testing.assert_allclose(
        read_model(member.rebuilt.model).probabilities(X), original.predict_proba(X), rtol=0, atol=1e-7
    )


def test_a_lightgbm_model_that_went_on_from_another_is_read(tmp_path):
    X, y = rows()
    first = lgb.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(X, y)
    original = lgb.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(X, y, init_model=first)
    (member,) = read_ensemble((dump(tmp_path, original),)).members
    native = read_model(member.rebuilt.model)
    assert native.lowered.n_trees == 18
    np.testing.assert_allclose(native.probabilities(X), original.predict_proba(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_forest_of_xgboost_answers_as_the_original(tmp_path, classes):
    X, y = rows(classes)
    original = xgb.XGBRFClassifier(n_estimators=7, max_depth=4, n_jobs=1).fit(X, y)
    (member,) = read_ensemble((dump(tmp_path, original),)).members
    native = read_model(member.rebuilt.model)
    np.testing.assert_allclose(native.probabilities(X), original.predict_proba(X), rtol=0, atol=1e-6)
    assert native.lowered.n_trees == 7 * (1 if classes == 2 else 3)


BOOSTED = {
    "gradient boosting": lambda **o: GradientBoostingClassifier(n_estimators=4, max_depth=2, **o),
    "histograms": lambda **o: HistGradientBoostingClassifier(max_iter=4, max_depth=3, **o),
    "histograms, stopped": lambda **o: HistGradientBoostingClassifier(max_iter=9, early_stopping=True, **o),
}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", BOOSTED)
def test_boosted_trees_of_scikit_learn_answer_as_the_original(tmp_path, kind, classes):
    X, y = rows(classes)
    original = BOOSTED[kind](random_state=np.random.RandomState(1)).fit(table(X), y)
    (member,) = read_ensemble((dump(tmp_path, original),)).members
    np.testing.assert_array_equal(
        read_model(member.rebuilt.model).probabilities(X), original.predict_proba(table(X))
    )
    assert member.rebuilt.feature_names == NAMES
    assert member.rebuilt.labels == tuple(range(classes))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", BOOSTED)
def test_a_loss_is_known_by_the_module_that_scikit_learn_1_5_to_1_8_wrote(tmp_path, kind, classes):
    X, y = rows(classes)
    original = BOOSTED[kind]().fit(X, y)
    data = pickle.dumps(original, 2).replace(b"csklearn._loss._loss\n", b"c_loss\n")
    assert b"c_loss\nCyHalf" in data
    path = tmp_path / "m.pkl"
    path.write_bytes(data)
    (member,) = read_ensemble((path,)).members
    np.testing.assert_array_equal(
        read_model(member.rebuilt.model).probabilities(X), original.predict_proba(X)
    )


@pytest.mark.parametrize("name", [b"system", b"__pyx_unpickle_loss", b"cyloss"])
def test_nothing_else_of_a_module_of_that_name_is_called(tmp_path, name):
    path = tmp_path / "m.pkl"
    path.write_bytes(b"\x80\x02c_loss\n" + name + b"\n" + text("x") + b"\x85R.")
    with pytest.raises(UnsafePickleError, match="a pickle may call only what models need"):
        read_ensemble((path,))


def spoilt(kind, change):
    X, y = rows()
    original = BOOSTED[kind]().fit(X, y)
    change(original)
    return original


def test_boosting_of_a_scikit_learn_before_1_4_is_said_to_be_too_old(tmp_path, monkeypatch):
    X, y = rows()
    path = dump(tmp_path, BOOSTED["gradient boosting"]().fit(X, y))
    for kind in GradientBoostingClassifier.__mro__:
        monkeypatch.delattr(kind, "_get_loss", raising=False)
    with pytest.raises(BrokenPickleError, match=r"GradientBoostingClassifier must be of scikit-learn 1\.4"):
        read_ensemble((path,))


CHANGES = [
    ("gradient boosting", lambda m: setattr(m, "estimators_", m.estimators_[:, :2]), "rounds of 3 trees"),
    ("gradient boosting", lambda m: setattr(m, "n_features_in_", 2), "must read its columns"),
    ("gradient boosting", lambda m: setattr(m, "classes_", np.array([0])), "2 to 64 classes"),
    ("gradient boosting", lambda m: setattr(m, "n_classes_", 2), "n_classes_ must count"),
    ("gradient boosting", lambda m: m.estimators_.__setitem__((0, 0), m.estimators_[1, 1]), "tree once"),
    ("gradient boosting", lambda m: setattr(m, "loss", "exponential"), "only suitable for a binary"),
    ("histograms", lambda m: m._predictors[0].pop(), "rounds of 3 trees"),
    ("histograms", lambda m: m._predictors[0][0].nodes.__setitem__("left", 9999), "stand behind its parent"),
    ("histograms", lambda m: m._predictors[0][0].nodes.__setitem__("left", 0), "stand behind its parent"),
    (
        "histograms",
        lambda m: m._predictors[0][0].nodes.__setitem__("feature_idx", 99),
        "a column that exists",
    ),
    ("histograms", lambda m: m._predictors[0][0].nodes.__setitem__("is_categorical", 1), "not categories"),
    ("histograms", lambda m: setattr(m._predictors[0][0], "nodes", np.zeros(3)), "as scikit-learn has them"),
    ("histograms", lambda m: m._predictors[0].__setitem__(0, m._predictors[1][0]), "each tree once"),
    ("histograms", lambda m: setattr(m, "_baseline_prediction", np.zeros(7)), "needs its start"),
    ("histograms", lambda m: setattr(m, "n_features_in_", 9), "not categories"),
]


@pytest.mark.parametrize(("kind", "change", "message"), CHANGES)
def test_boosted_trees_that_do_not_hold_together_are_refused(tmp_path, kind, change, message):
    with pytest.raises(BrokenPickleError, match=message):
        read_ensemble((dump(tmp_path, spoilt(kind, change)),))


def test_the_loss_of_boosted_trees_is_made_anew_and_not_taken_from_the_file(tmp_path):
    original = spoilt("histograms", lambda m: setattr(m, "_loss", "anything"))
    (member,) = read_ensemble((dump(tmp_path, original),)).members
    assert type(member.rebuilt.model._loss).__name__ == "HalfMultinomialLoss"
    assert {"GradientBoostingClassifier", "HistGradientBoostingClassifier"} == check_boosting.BOOSTING


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("2026-11 model.v2.pkl", "_2026-11_model"),
        ("modèle.pkl", "mod_le"),
        ("lightgbm_model.pkl", "lightgbm"),
    ],
)
def test_a_member_is_called_by_its_file_as_far_as_a_name_can(tmp_path, file, name):
    spec = spec_of(tmp_path, model("lightgbm, named, stopped early, text labels"), file, classes=None)
    assert [m.name for m in spec.levels[0].members] == [name]
    assert any(f"is called {name}" in r for r in spec.remarks) == (name != "lightgbm")


def test_members_whose_names_cannot_stand_are_renamed_and_weights_follow(tmp_path):
    models = {"XGBoost (tuned)": model("xgboost"), "lgb": model("lightgbm")}
    weights = {"XGBoost (tuned)": 3, "lgb": 1}
    value = ProductionEnsemble(models, weights, list(NAMES))
    spec = spec_of(tmp_path, value)
    assert [(m.name, m.weight) for m in spec.levels[0].members] == [("XGBoost__tuned_", 3.0), ("lgb", 1.0)]
    value.weights = None
    spec = spec_of(tmp_path, value, weights={"XGBoost (tuned)": 1.0, "lgb": 2.0})
    assert [m.weight for m in spec.levels[0].members] == [1.0, 2.0]


# Classes that some members never saw


@pytest.mark.parametrize("order", [("part", "whole"), ("whole", "part"), ("part", "other")])
def test_a_missing_class_works_whatever_the_order_of_the_members(tmp_path, order):
    X, y = rows()

    def fitted(keep):
        return lgb.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(X[keep], y[keep])

    made = {"part": fitted(y != 1), "whole": fitted(y >= 0), "other": fitted(y != 0)}
    classes = {"part": (0, 2), "whole": (0, 1, 2), "other": (1, 2)}
    value = ProductionEnsemble({n: made[n] for n in order}, [1, 1], list(NAMES))
    spec = spec_of(tmp_path, value)
    assert spec.classes == ("SELL", "HOLD", "BUY")
    assert [m.classes for m in spec.levels[0].members] == [classes[n] for n in order]


def test_a_level_that_lacks_a_class_is_one_of_the_others(tmp_path):
    X, y = rows()
    keep = y != 1
    fitted = lgb.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(X[keep][:, :3], y[keep])
    low = ProductionEnsemble({"a": fitted}, [1.0], list(NAMES[:3]))
    files = {"level1": (dump(tmp_path, ensemble()),), "level2": (dump(tmp_path, low, "low.pkl"),)}
    spec = import_spec(request(files))
    assert spec.levels[1].members[0].classes == (0, 2)


# Rounds of early-stopped boosters


def stopped(kind):
    X, y = rows()
    if kind == "lightgbm booster":
        params = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
        data = lgb.Dataset(X, y)
        booster = lgb.train(
            params, data, 60, valid_sets=[data.create_valid(X[::2], y[::-2])],
            callbacks=[lgb.early_stopping(3, verbose=False)], keep_training_booster=True,
        )  # fmt: skip
        total, best = booster.current_iteration(), booster.best_iteration
    else:
        made = xgb.XGBClassifier(n_estimators=60, max_depth=3, early_stopping_rounds=3, n_jobs=1)
        made.fit(X, y, eval_set=[(X[::2], y[::-2])], verbose=False)
        booster = made.get_booster()
        total, best = booster.num_boosted_rounds(), booster.best_iteration + 1
    assert best < total
    return (made if kind == "xgboost" else booster), best, total


def own_answer(kind, original, X, rounds):
    if kind == "lightgbm booster":
        return original.predict(X, num_iteration=-1 if rounds == "all" else None)
    booster = original if kind == "xgboost booster" else original.get_booster()
    if rounds is None and kind == "xgboost":
        return original.predict_proba(X)
    end = booster.best_iteration + 1 if rounds == "best" else 0
    return booster.predict(xgb.DMatrix(X), iteration_range=(0, end))


@pytest.mark.parametrize("rounds", [None, "best", "all"])
@pytest.mark.parametrize("kind", ["lightgbm booster", "xgboost", "xgboost booster"])
def test_an_early_stopped_booster_answers_as_the_bots_own_call_and_says_so(tmp_path, kind, rounds):
    original, best, total = stopped(kind)
    X, _ = rows(seed=7)
    found = read_ensemble((dump(tmp_path, original),), rounds=rounds)
    got = read_model(found.members[0].rebuilt.model).probabilities(X)
    np.testing.assert_allclose(got, own_answer(kind, original, X, rounds), rtol=0, atol=1e-6)
    taken = total if rounds == "all" or (rounds is None and kind == "xgboost booster") else best
    (remark,) = [r for r in found.remarks if "rounds" in r]
    assert f"stopped early: {taken} of its {total} rounds {'is' if taken == 1 else 'are'} taken" in remark


# Members that are left out


TORCH = (
    b"cteam.nets\nLSTM\n)\x81}(" + text("training") + b"\x89" + text("_parameters")
    + b"ccollections\nOrderedDict\n)R(" + text("weight") + b"ctorch._utils\n_rebuild_parameter\n("
    + b"ctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\nB\x03\x00\x00\x00abc\x85R"
    + b"K\x00K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR\x88ccollections\nOrderedDict\n)RtRu"
    + text("_modules") + b"ccollections\nOrderedDict\n)R}" + text("_metadata") + b"Nsb" + text("dtype")
    + b"ctorch\nfloat32\nub"
)  # fmt: skip


def with_network(tmp_path, weights):
    """A pickle with three members, the last a network of torch as torch pickles it."""
    models = pickle.dumps({"lightgbm": model("lightgbm"), "xgboost": model("xgboost")}, 3)
    data = b"\x80\x03}(" + text("models") + models[2:-1] + text("lstm") + TORCH + b"s" + text("weights")
    data += (
        pickle.dumps(weights, 3)[2:-1] + text("feature_names") + pickle.dumps(list(NAMES), 3)[2:-1] + b"u."
    )
    path = tmp_path / "m.pkl"
    path.write_bytes(data)
    return path


WEIGHTS = {"lightgbm": 0.3, "xgboost": 0.3, "lstm": 0.4}


def test_a_member_that_cannot_be_converted_is_named_with_the_way_out(tmp_path):
    with pytest.raises(DataError, match=r"\['lstm'\]: .* 'team\.nets\.LSTM'.*--drop-member lstm"):
        import_spec(request({"": (with_network(tmp_path, WEIGHTS),)}))


@pytest.mark.parametrize("weights", [WEIGHTS, [0.3, 0.3, 0.4]])
def test_a_member_is_left_out_with_weights_renormalised_and_manifest_and_card_say_so(tmp_path, weights):
    path = with_network(tmp_path, weights)
    built = build_artifact(import_spec(request({"": (path,)}, drop=("lstm",))))
    m = built.manifest
    assert [(x.name, x.weight) for x in m.levels[0].members] == [("lightgbm", 0.5), ("xgboost", 0.5)]
    (dropped,) = m.members_dropped
    assert (dropped.level, dropped.name, dropped.reason) == (
        "level1", "lstm", "asked for; it is team.nets.LSTM",
    )  # fmt: skip
    sentence = "level1: lstm was left out (asked for; it is team.nets.LSTM); the weights of the others"
    assert sentence in built.files["card.md"].decode()
    assert any(sentence in r for r in built.remarks)


def test_given_weights_may_name_the_member_that_is_left_out(tmp_path):
    value = ensemble()
    value.weights = None
    given = {"lightgbm": 1.0, "xgboost": 1.0, "random_forest": 2.0}
    for weights in (given, {k: v for k, v in given.items() if k != "random_forest"}):
        spec = spec_of(tmp_path, value, drop=("random_forest",), weights=weights)
        assert [m.weight for m in spec.levels[0].members] == [1.0, 1.0]


def test_a_member_of_one_level_may_be_left_out(tmp_path):
    files = {"level1": (dump(tmp_path, ensemble()),), "level2": (dump(tmp_path, short(3), "low.pkl"),)}
    spec = import_spec(request(files, drop=("xgboost",)))
    assert [(d.level, d.name) for d in spec.dropped] == [("level1", "xgboost")]
    assert len(spec.levels[1].members) == 1


def test_a_model_that_scikit_learn_rebuilds_by_a_function_can_be_left_out(tmp_path):
    X, y = rows()
    value = ensemble()
    value.models["knn"] = KNeighborsClassifier(3).fit(X, y)
    value.weights = {**value.weights, "knn": 0.1}
    with pytest.raises(GradusError, match=r"KNeighborsClassifier.*--drop-member knn"):
        spec_of(tmp_path, value)
    assert len(spec_of(tmp_path, value, drop=("knn",)).levels[0].members) == 3


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        (("lgbm",), "a member to leave out must be in a file, but got 'lgbm'. Members: lightgbm, ra"),
        (("lightgbm", "xgboost", "random_forest"), "at least one member must be left"),
    ],
)
def test_what_cannot_be_left_out_is_wrong_use(tmp_path, drop, message):
    with pytest.raises(UsageError, match=message):
        spec_of(tmp_path, ensemble(), drop=drop)


# Bots that served float64


def hours(count=2000, seed=0):
    """Sine and cosine of the hour: few values, none of which is a float32; and labels that depend on it."""
    random = np.random.default_rng(seed)
    hour = random.integers(0, 24, count)
    angle = 2 * np.pi * hour / 24
    X = np.stack([np.sin(angle), np.cos(angle), *random.normal(size=(3, count))], axis=1)
    return X, np.digitize(X[:, 0] + 0.3 * random.normal(size=count), [-0.4, 0.4])


@pytest.fixture(scope="module")
def float64_bot():
    X, y = hours()
    made = lgb.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1).fit(X, y)
    forest = xgb.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1).fit(X, y)
    return ProductionEnsemble({"lgb": made, "xgb": forest}, [0.5, 0.5], list(NAMES))


def test_rows_as_float64_say_what_a_bot_will_see_change(tmp_path, float64_bot):
    X, _ = hours(500, seed=1)
    path = tmp_path / "rows.csv"
    pd.DataFrame(X, columns=list(NAMES)).to_csv(path, index=False)
    spec = spec_of(tmp_path, float64_bot, rows=path)
    wide, narrow = X, X.astype(np.float32)
    lgb64, lgb32 = (float64_bot.models["lgb"].predict_proba(x) for x in (wide, narrow))
    both = float64_bot.models["xgb"].predict_proba(X)
    before, after = (0.5 * (a + both) for a in (lgb64, lgb32))
    other = int((np.abs(before - after) > 1e-6).any(axis=1).sum())
    labels = int((before.argmax(axis=1) != after.argmax(axis=1)).sum())
    assert other > 0
    (remark,) = [r for r in spec.remarks if "float64" in r]
    assert remark.startswith(f"level1: of 500 rows as float64, {other} ({other / 500:.1%}) had other")
    assert f"and {labels} ({labels / 500:.1%}) another class" in remark
    assert "(lgb read float64)" in remark


def test_without_rows_each_member_that_reads_float64_gets_one_warning(tmp_path, float64_bot):
    remarks = [r for r in spec_of(tmp_path, float64_bot).remarks if "float64" in r]
    assert len(remarks) == 1
    assert remarks[0].startswith("level1: lgb: lightgbm reads float64, gradus reads float32")


def test_every_library_that_reads_float64_is_known_and_no_other():
    X, y = hours(400)
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    small = {"n_estimators": 5, "random_state": 0}
    fitted = [
        lgb.LGBMClassifier(**small, verbose=-1, n_jobs=1),
        xgb.XGBClassifier(**small, n_jobs=1),
        RandomForestClassifier(**small),
        GradientBoostingClassifier(**small),
        HistGradientBoostingClassifier(max_iter=5),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ]
    probe, _ = hours(3000, seed=2)
    probe[:, 2:] += 1e-9
    for original in fitted:
        native = read_model(original.fit(X, y))
        apart = original.predict_proba(probe) != original.predict_proba(probe.astype(np.float32))
        assert native.reads_float64 == bool(apart.any()), type(original)


# Files in the libraries' own formats


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_native_files_are_members_like_pickles(tmp_path):
    import catboost
    import skops.io
    from sklearn.ensemble import RandomForestClassifier

    X, y = rows()
    light, boost = model("lightgbm"), model("xgboost")
    light.booster_.save_model(tmp_path / "a.txt")
    boost.get_booster().save_model(tmp_path / "b.ubj")
    forest = RandomForestClassifier(4, max_depth=4, random_state=0).fit(table(X), y)
    skops.io.dump(forest, tmp_path / "c.skops")
    cat = catboost.CatBoostClassifier(iterations=3, depth=3, verbose=0, allow_writing_files=False).fit(X, y)
    cat.save_model(str(tmp_path / "d.cbm"))
    files = tuple(tmp_path / name for name in ("a.txt", "b.ubj", "c.skops", "d.cbm"))
    weights = {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}
    spec = import_spec(request({"": files}, weights=weights))
    said = {m.name: m.native.probabilities(X.astype(np.float32)) for m in spec.levels[0].members}
    for name, native in zip("abcd", (light, boost, forest, cat), strict=True):
        np.testing.assert_allclose(said[name], native.predict_proba(X.astype(np.float32)), atol=1e-6)


def test_a_native_file_that_is_broken_or_too_large_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("tree\nversion=v4\nnothing")
    with pytest.raises(DataError, match="a LightGBM model must be readable"):
        read_ensemble((tmp_path / "a.txt",))
    with pytest.raises(DataError, match="a model file must be at most 5 bytes"):
        read_ensemble((tmp_path / "a.txt",), max_bytes=5)
    (tmp_path / "b.txt").write_text("no model at all")
    with pytest.raises(GradusError):
        read_ensemble((tmp_path / "b.txt",))


def network(path, *, opset=13, softmax=True, width=None):
    """A small network as a framework exports it: one hidden layer, three classes."""
    import onnx
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    width = width or len(NAMES)
    shapes = {"w": (width, 8), "b": (8,), "v": (8, 3)}
    constants = [numpy_helper.from_array(rng.normal(size=s).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("MatMul", ["d", "v"], ["e"]),
        helper.make_node(
            "Softmax" if softmax else "Identity", ["e"], ["p"], **({"axis": 1} if softmax else {})
        ),
    ]
    ends = [helper.make_tensor_value_info(n, 1, ["N", k]) for n, k in (("x", width), ("p", 3))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return onnx.load(path)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_network_in_onnx_votes_beside_trees(tmp_path):
    import onnxruntime
    import skops.io
    from sklearn.ensemble import RandomForestClassifier

    X, y = rows()
    network(tmp_path / "net.onnx")
    forest = RandomForestClassifier(4, max_depth=4, random_state=0).fit(table(X), y)
    skops.io.dump(forest, tmp_path / "trees.skops")
    files = (tmp_path / "net.onnx", tmp_path / "trees.skops")
    built = build_artifact(import_spec(request({"": files}, weights={"net": 0.5, "trees": 0.5})))
    (graph,) = [data for name, data in built.files.items() if name.endswith(".onnx")]
    said = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    expected = 0.5 * session.run(None, {"x": X})[0] + 0.5 * forest.predict_proba(X)
    np.testing.assert_allclose(said.run(["probabilities"], {"features": X})[0], expected, atol=1e-6)
    assert [m.library for m in built.manifest.levels[0].members] == ["onnx", "sklearn"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"softmax": False}, "an ONNX member must give the probabilities of classes"),
        ({"opset": 17}, "an ONNX member must have opset 13"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(tmp_path, changes, message):
    with pytest.raises(GradusError, match=message):
        read_model(network(tmp_path / "net.onnx", **changes))
