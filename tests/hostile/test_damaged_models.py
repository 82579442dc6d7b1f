"""Damaged models: refused, or answering; never a crash of a C library, never an error that is not ours."""

import copy
import json
import pickle

import numpy as np
import pytest
import xgboost as xgb
from tests.support.legacy_models import KINDS, NAMES, ProductionEnsemble, model, rows

from gradus_convert.errors import InexactModelError
from gradus_convert.pickles import rewrite_xgboost, ubjson
from gradus_convert.pickles.imported import ImportRequest, import_spec
from gradus_convert.readers import read_model
from gradus_runtime.errors import GradusError


def damaged(whole, random):
    """The bytes with one to five of them changed, half of the time only a little."""
    data = bytearray(whole)
    for at in random.integers(0, len(data), random.integers(1, 6)).tolist():
        step = random.integers(-2, 3) if random.random() < 0.5 else random.integers(0, 256)
        data[at] = int(data[at] + step) % 256
    return bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused_or_imported_and_never_crashes(tmp_path, kind):
    value = ProductionEnsemble({"member": model(kind)}, [1.0], list(NAMES))
    whole = pickle.dumps(value, 4)
    random = np.random.default_rng(list(KINDS).index(kind))
    path = tmp_path / "model.pkl"
    refused = 0
    for _ in range(25):
        path.write_bytes(damaged(whole, random))
        try:
            import_spec(ImportRequest("a", "2026.1.4", {"": (path,)}, fallback_action="0"))
        except GradusError:
            refused += 1
    assert refused > 0


def buffer_of(booster):
    return bytes(booster.__getstate__()["handle"])


@pytest.fixture
def layout():
    return copy.deepcopy(json.loads(rewrite_xgboost.rewrite(buffer_of(model("xgboost").get_booster()))))


def trees(value):
    return value["learner"]["gradient_booster"]["model"]["trees"]


CHANGES = [
    (lambda v: trees(v)[0]["left_children"].__setitem__(0, 10**6), "children must exist"),
    (lambda v: trees(v)[0]["left_children"].__setitem__(0, 0), "children must exist"),
    (lambda v: trees(v)[0]["right_children"].__setitem__(0, 1), "a node must have one parent"),
    (lambda v: trees(v)[0]["split_indices"].__setitem__(0, 99), "a column that exists"),
    (lambda v: trees(v)[0]["split_conditions"].pop(), "one entry a node"),
    (lambda v: trees(v)[0]["split_conditions"].__setitem__(0, "x"), "a finite number is needed"),
    (lambda v: trees(v)[0]["left_children"].__setitem__(0, 1 << 40), "a whole number is needed"),
    (lambda v: v["learner"]["gradient_booster"]["model"]["tree_info"].pop(), "each tree needs its class"),
    (lambda v: v["learner"]["gradient_booster"]["model"]["iteration_indptr"].reverse(), "rounds must follow"),
    (lambda v: v["learner"]["learner_model_param"].update(num_class="x"), "a number written as text"),
    (lambda v: v["learner"]["feature_names"].append("a"), "each column needs a name"),
    (lambda v: v["learner"]["feature_names"].append("a\n"), "printable text"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_an_xgboost_model_that_does_not_hold_together_is_refused(layout, change, message):
    change(layout)
    with pytest.raises(ValueError, match=message):
        rewrite_xgboost.rewrite(json.dumps(layout).encode())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["learner"]["objective"].update(name="rank:ndcg"), "the objective must be one of"),
        (lambda v: v["learner"]["gradient_booster"].update(name="gblinear"), "must be gbtree or dart"),
        (lambda v: trees(v)[0]["split_type"].__setitem__(0, 1), "not categories"),
        (lambda v: trees(v)[0]["tree_param"].update(size_leaf_vector="3"), "a leaf must hold one value"),
    ],
)
def test_an_xgboost_model_without_an_exact_form_is_refused_by_name(layout, change, message):
    change(layout)
    with pytest.raises(InexactModelError, match=message):
        rewrite_xgboost.rewrite(json.dumps(layout).encode())


@pytest.mark.parametrize(
    "options", [{"booster": "dart", "rate_drop": 0.5}, {"gamma": 2.0}, {"num_parallel_tree": 2}]
)
def test_a_rewritten_xgboost_model_answers_as_the_original(options):
    X, y = rows()
    original = xgb.XGBClassifier(n_estimators=8, max_depth=4, n_jobs=1, **options).fit(X, y)
    again = xgb.Booster(model_file=bytearray(rewrite_xgboost.rewrite(buffer_of(original.get_booster()))))
    np.testing.assert_array_equal(
        again.predict(xgb.DMatrix(X), pred_leaf=True),
        original.get_booster().predict(xgb.DMatrix(X), pred_leaf=True),
    )
    np.testing.assert_allclose(
        read_model(again).probabilities(X), original.predict_proba(X), rtol=0, atol=2e-7
    )


def test_weights_of_dropout_are_kept_wherever_the_version_keeps_them():
    X, y = rows()
    original = xgb.XGBClassifier(n_estimators=6, max_depth=3, booster="dart", rate_drop=0.5, n_jobs=1).fit(
        X, y
    )
    layout = json.loads(bytes(original.get_booster().save_raw("json")))
    booster = layout["learner"]["gradient_booster"]
    if booster["name"] == "dart":  # as versions before 3.4 write it
        model = booster["gbtree"]["model"] | {"weight_drop": booster["weight_drop"]}
        layout["learner"]["gradient_booster"] = {"name": "gbtree", "model": model}
    again = xgb.Booster(model_file=bytearray(rewrite_xgboost.rewrite(json.dumps(layout).encode())))
    np.testing.assert_allclose(again.predict(xgb.DMatrix(X)), original.predict_proba(X), rtol=0, atol=2e-7)
    layout["learner"]["gradient_booster"]["model"]["weight_drop"].pop()
    with pytest.raises(ValueError, match="each tree needs a weight"):
        rewrite_xgboost.rewrite(json.dumps(layout).encode())


def test_ubjson_reads_what_xgboost_writes():
    booster = model("xgboost").get_booster()
    binary = ubjson.loads(bytes(booster.save_raw("ubj")))
    text = json.loads(bytes(booster.save_raw("json")))
    assert binary.keys() == text.keys()
    assert trees(binary)[0]["left_children"] == trees(text)[0]["left_children"]
    np.testing.assert_array_equal(
        np.float32(trees(binary)[0]["split_conditions"]), np.float32(trees(text)[0]["split_conditions"])
    )


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"{i\x01aT}", {"a": True}),
        (b"[i\x05Zl\x00\x00\x01\x00]", [5, None, 256]),
        (b"[#i\x02FD\x3f\xf0\x00\x00\x00\x00\x00\x00", [False, 1.0]),
        (b"[$U#i\x02\xff\x01", [255, 1]),
        (b"Si\x02ab", "ab"),
    ],
)
def test_ubjson_reads_each_kind_of_value(data, value):
    assert ubjson.loads(data) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[", "bytes are not there"),
        (b"SL\x7f\xff\xff\xff\xff\xff\xff\xff", "bytes are not there"),
        (b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff", "bytes are not there"),
        (b"[#i\xff", "no length"),
        (b"Sd\x00\x00\x00\x00", "no length"),
        (b"[$S#i\x01", "no type of numbers"),
        (b"[$d]", "a typed array without a length"),
        (b"{i\x01aTi\x01aT}", "occurs twice"),
        (b"[" * 100, "nested deeper"),
        (b"?", "no number"),
        (b"TT", "bytes after the value"),
    ],
)
def test_ubjson_refuses_what_does_not_hold_together(data, message):
    with pytest.raises(ValueError, match=message):
        ubjson.loads(data)
