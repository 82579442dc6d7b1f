"""A pickle takes time and memory by its size: whatever it names twice, and whatever numbers it gives."""

import copy
import json
import pickle
import struct

import numpy as np
import pytest
import xgboost as xgb
from sklearn.ensemble import RandomForestClassifier
from tests.support import hostile_pickles, limited
from tests.support.legacy_models import NAMES, ProductionEnsemble, model
from tests.support.limited import MIB

from gradus_convert.errors import InexactModelError
from gradus_convert.pickles import machine, rewrite_lightgbm, rewrite_xgboost
from gradus_convert.pickles.imported import ImportRequest, import_spec
from gradus_convert.pickles.inert import BrokenPickleError, Inert, UnsafePickleError
from gradus_convert.pickles.pickle_files import read_pickle
from gradus_convert.pickles.weight import weigh
from gradus_runtime.errors import DataError, GradusError


def read(tmp_path, data):
    path = tmp_path / "model.pkl"
    path.write_bytes(data)
    return read_pickle(path)


def spec_of(tmp_path, value):
    path = tmp_path / "model.pkl"
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, 4))
    return import_spec(ImportRequest("a", "2026.1.4", {"": (path,)}, fallback_action="0"))


def nested(depth, width=10):
    value = [1]
    for _ in range(depth):
        value = [value] * width
    return value


# What is named again and again


@pytest.mark.parametrize("attribute", ["missing", "objective", "n_estimators"])
def test_a_value_that_is_exponential_when_walked_is_refused_as_it_is_read(tmp_path, attribute):
    value = xgb.XGBClassifier()
    setattr(value, attribute, nested(30))
    with pytest.raises(UnsafePickleError, match="must not name its parts again and again"):
        spec_of(tmp_path, value)


def test_an_arrays_order_that_is_exponential_is_refused_at_once(tmp_path):
    start = b"\x80\x02cnumpy._core.numeric\n_frombuffer\n(C\x08" + bytes(8)
    dtype = b"cnumpy\ndtype\n(" + hostile_pickles.text("f8") + b"\x89\x88tR"
    lists = b"](K\x01er" + struct.pack("<I", 0)
    for i in range(30):
        again = b"j" + struct.pack("<I", i)
        lists += b"0](" + again + again + b"er" + struct.pack("<I", i + 1)
    with pytest.raises(BrokenPickleError, match="an array must be in C or Fortran order") as caught:
        read(tmp_path, start + dtype + b"K\x01\x85" + lists + b"tR.")
    assert len(str(caught.value)) < 1000


def test_a_forest_that_names_one_tree_again_and_again_is_refused(tmp_path):
    forest = copy.copy(model("random forest"))
    forest.estimators_ = [forest.estimators_[0]] * 50
    with pytest.raises(BrokenPickleError, match="a forest must name each tree once, but got 50"):
        spec_of(tmp_path, forest)
    forest.estimators_ = [copy.copy(forest.estimators_[0]) for _ in range(50)]  # 50 objects, one tree
    with pytest.raises(BrokenPickleError, match="a forest must name each tree once, but got 50"):
        spec_of(tmp_path, forest)


def test_one_tree_named_a_million_times_takes_neither_memory_nor_time(tmp_path):
    forest = RandomForestClassifier(1, max_depth=1).fit([[0.0], [1.0]], [0, 1])
    forest.estimators_ *= 1_000_000
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(forest, 4))
    assert path.stat().st_size < 3 * MIB
    code = (
        "import sys; from pathlib import Path; from gradus_convert.pickles.pickle_files import read_pickle\n"
        "try: read_pickle(Path(sys.argv[1]))\n"
        "except Exception as e: print(type(e).__name__)"
    )
    done = limited.run(["-c", code, str(path)], memory=1200 * MIB, seconds=120)
    assert done.stdout == "UnsafePickleError\n", done.stderr[-500:]


def test_an_ensemble_of_very_many_members_is_refused(tmp_path):
    value = ProductionEnsemble({f"m{i}": model("lightgbm") for i in range(101)}, None, list(NAMES))
    with pytest.raises(DataError, match="a level must have at most 100 members, but got 101"):
        spec_of(tmp_path, value)


@pytest.mark.parametrize(
    "call",
    [
        b"c_codecs\nencode\nh\x00" + hostile_pickles.text("latin1") + b"\x86R",
        b"cbuiltins\nbytearray\nh\x01\x85R",
        b"cnumpy._core.numeric\n_frombuffer\n(h\x01cnumpy\ndtype\nX\x02\x00\x00\x00u1\x89\x88\x87RJ\xa0\x86\x01\x00"
        b"\x85X\x01\x00\x00\x00CtR",
        b"cbuiltins\nfrozenset\nh\x02\x85R",
        b"ccollections\nOrderedDict\nh\x03\x85R",
        b"ccopyreg\n_reconstructor\n(cteam\nBag\ncbuiltins\nlist\nh\x02tR",
        b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR(K\x01J\xa0\x86\x01\x00\x85"
        b"cnumpy\ndtype\nX\x02\x00\x00\x00u1\x89\x88\x87R\x89h\x01tb",
    ],
    ids=["encode", "bytearray", "frombuffer", "frozenset", "mapping", "reconstructor", "array state"],
)  # fmt: skip
def test_a_megabyte_that_is_built_into_something_again_and_again_is_refused(tmp_path, call):
    text = b"X" + struct.pack("<I", 100_000) + b"x" * 100_000 + b"q\x000"
    data = b"B" + struct.pack("<I", 100_000) + bytes(100_000) + b"q\x010"
    items = b"](" + b"N" * 100_000 + b"eq\x020"
    pairs = b"](" + b"NN\x86" * 100_000 + b"eq\x030" if b"h\x03" in call else b""
    rest = b"](" + call * 80 + b"e."
    with pytest.raises(UnsafePickleError, match="what a pickle builds must be at most 8 times its size"):
        read(tmp_path, b"\x80\x03" + text + data + items + pairs + rest)
    assert isinstance(read(tmp_path, b"\x80\x03" + text + data + items + pairs + b"](" + call + b"e."), list)


class CountingMemo(dict):
    """A memo that counts how often it is asked."""

    asked = 0

    def get(self, *key):
        self.asked += 1
        return super().get(*key)


@pytest.mark.parametrize("count", [200, 2000])
def test_arrays_take_as_many_steps_as_there_are(tmp_path, monkeypatch, count):
    memos = []
    original = machine._Machine.__init__

    def init(self, *arguments):
        original(self, *arguments)
        self.memo = CountingMemo()
        memos.append(self.memo)

    monkeypatch.setattr(machine._Machine, "__init__", init)
    found = read(tmp_path, pickle.dumps([np.arange(3.0) + i for i in range(count)], 4))
    assert [a.tolist() for a in found] == [[i, i + 1, i + 2] for i in range(count)]
    assert memos[0].asked <= count


def test_one_array_under_very_many_names_takes_as_many_steps_as_names(tmp_path):
    array = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    names = b"".join(b"r" + struct.pack("<I", i) for i in range(300))
    state = b"(K\x01K\x00\x85cnumpy\ndtype\nX\x02\x00\x00\x00u1\x89\x88\x87R\x89C\x00tb"
    root = read(tmp_path, b"\x80\x03" + b"](" + array + names + state + b"j" + bytes(4) + b"e.")
    assert root[0] is root[1]
    assert root[0].shape == (0,)


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ([1 << 70], "a key must be a number, text or a short flat tuple"),
        ([1j], "a key must be a number, text or a short flat tuple"),
        ([(1,) * 17], "a key must be a number, text or a short flat tuple"),
        ([(1 << 70,)], "a key must be a number, text or a short flat tuple"),
    ],
)
def test_keys_that_can_be_made_to_share_a_hash_are_refused(tmp_path, keys, rule):
    with pytest.raises(BrokenPickleError, match=rule):
        read(tmp_path, pickle.dumps(dict.fromkeys(keys)))


def test_very_many_tuples_as_keys_are_refused_a_few_are_not(tmp_path):
    few = {("btc", i): i for i in range(1000)}
    assert read(tmp_path, pickle.dumps(few)) == few
    assert hash((-1, -1)) == hash((-2, -1)) == hash((-1, -2))
    many = {("btc", i): i for i in range(machine.MAX_TUPLE_KEYS + 1)}
    with pytest.raises(UnsafePickleError, match="at most 10000 keys may be tuples"):
        read(tmp_path, pickle.dumps(many))


def test_a_weight_counts_what_is_named_twice_twice_and_ends_in_a_cycle():
    text = "x" * 1000
    assert 2000 < weigh([text, text]) < 2100
    assert weigh([[[text] * 10] * 10] * 10) > 1_000_000
    loop = []
    loop.append(loop)
    assert weigh(loop) < 100
    assert weigh(Inert(None, (text,), {"a": text}, [text])) > 3000
    assert weigh(np.zeros(1000)) > 8000
    assert weigh(np.array([text, text], dtype=object)) > 2000


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "random forest", "voting", "scaled perceptron"])
def test_a_model_weighs_little_more_than_its_file(tmp_path, kind):
    data = pickle.dumps({"models": {"a": model(kind)}, "best": model(kind)}, 4)
    assert weigh(read(tmp_path, data)) < 3 * len(data) + 100_000


# Numbers that a C library would allocate and write by


def lightgbm_text(**changes):
    text = model("lightgbm").booster_.model_to_string()
    for key, value in changes.items():
        lines = [f"{key}={value}" if line.startswith(f"{key}=") else line for line in text.split("\n")]
        text = "\n".join(lines)
    return text


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"objective": "multiclass num_class:16"}, "the objective must be of as many classes as the head"),
        ({"objective": "multiclass num_class:2"}, "the objective must be of as many classes as the head"),
        ({"objective": "multiclassova num_class:16 sigmoid:1"}, "the objective must be of as many classes"),
        ({"objective": "multiclass num_class:3 num_class:16"}, "the objective must be of as many classes"),
        ({"num_class": "16"}, "a round must have a tree for each of the 16 classes"),
        ({"num_tree_per_iteration": "1"}, "a round must have a tree for each of the 3 classes"),
        ({"num_class": "1", "num_tree_per_iteration": "1"}, "the objective must be of as many classes"),
    ],
)  # fmt: skip
def test_a_lightgbm_model_whose_counts_of_classes_differ_is_refused(changes, rule):
    with pytest.raises(BrokenPickleError, match=rule):
        rewrite_lightgbm.rewrite(lightgbm_text(**changes), "m")


def test_a_lightgbm_pickle_that_would_overrun_a_buffer_is_refused(tmp_path):
    whole = pickle.dumps(model("lightgbm"), 4)
    assert b"num_class:3" in whole
    with pytest.raises(BrokenPickleError, match="the objective must be of as many classes as the header, 3"):
        spec_of(tmp_path, whole.replace(b"num_class:3", b"num_class:9"))


@pytest.fixture
def layout():
    buffer = bytes(model("xgboost").get_booster().__getstate__()["handle"])
    return json.loads(rewrite_xgboost.rewrite(buffer))


def param(value):
    return value["learner"]["learner_model_param"]


def trees(value):
    return value["learner"]["gradient_booster"]["model"]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda v: trees(v)["tree_info"].__setitem__(0, 40), "a tree's class must be one of the 3 classes"),
        (lambda v: trees(v)["tree_info"].__setitem__(0, -1), "a tree's class must be one of the 3 classes"),
        (
            lambda v: param(v).update(num_class="2", base_score="[0.5,0.5,0.5]"),
            "base_score must have one number, or one of each",
        ),
        (lambda v: param(v).update(num_class="999999999"), "at most 64 classes"),
        (lambda v: param(v).update(num_class="-3"), "at most 64 classes"),
        (
            lambda v: param(v).update(num_class="0", base_score="[0.5,0.5,0.5]"),
            "base_score must have one number, or one of each",
        ),
        (lambda v: v["learner"]["objective"].update(name="binary:logistic"), "must fit num_class, 3"),
        (lambda v: param(v).update(num_class="0", base_score="0.5"), "must be one of the 1 classes"),
        (lambda v: param(v).update(num_class="2", base_score="0.5"), "must be one of the 2 classes"),
        (lambda v: param(v).update(num_feature="999999999"), "1 to 1048576 columns"),
        (lambda v: param(v).update(num_feature="0"), "1 to 1048576 columns"),
        (
            lambda v: param(v).update(base_score="[0.5,0.5]"),
            "base_score must have one number, or one of each",
        ),
        (lambda v: trees(v).update(iteration_indptr=[0, 1, 18]), "rounds must have as many trees"),
    ],
)
def test_an_xgboost_model_whose_counts_differ_is_refused(layout, change, rule):
    change(layout)
    with pytest.raises((ValueError, GradusError), match=rule):
        rewrite_xgboost.rewrite(json.dumps(layout).encode())


def test_an_xgboost_model_of_several_targets_is_refused_by_name(layout):
    param(layout).update(num_target="5")
    with pytest.raises(InexactModelError, match="a model must have one target"):
        rewrite_xgboost.rewrite(json.dumps(layout).encode())


def test_an_xgboost_buffer_nested_without_end_is_refused(tmp_path):
    value = copy.copy(model("xgboost booster"))
    data = pickle.dumps(value, 4)
    handle = bytes(value.__getstate__()["handle"])
    deep = b'{"Model":' + b"[" * (len(handle) - 9)
    assert handle in data
    with pytest.raises(BrokenPickleError, match=r"a buffer must be one that XGBoost 1\.6 or newer wrote"):
        spec_of(tmp_path, data.replace(handle, deep))
