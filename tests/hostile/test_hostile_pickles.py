import bz2
import contextlib
import gzip
import lzma
import os
import pickle
import sys
import zlib
from pathlib import Path

import pytest
from tests.support import hostile_pickles
from tests.support.hostile_pickles import Reduces

from gradus_convert.pickles import machine
from gradus_convert.pickles.inert import BrokenPickleError, Inert, UnsafePickleError, UnsupportedPickleError
from gradus_convert.pickles.pickle_files import read_pickle

OBJECTS = {"a file for LightGBM", "sklearn's function transformer"}
"""Objects of model libraries: read as containers, and never made."""
RUNNING = sorted(hostile_pickles.running(Path("canary")).keys() - OBJECTS)


def read(tmp_path: Path, data: bytes, **options: int) -> object:
    path = tmp_path / "model.pkl"
    path.write_bytes(data)
    return read_pickle(path, **options)


def test_the_canary_sings_when_python_itself_reads_such_a_pickle(tmp_path):
    canary = tmp_path / "canary"
    pickle.loads(hostile_pickles.running(canary)["os.system"][0])
    assert canary.exists()


@pytest.mark.parametrize("name", RUNNING)
def test_a_pickle_that_would_run_something_is_refused_by_name_before_it_runs(tmp_path, name):
    canary = tmp_path / "canary"
    data, shown = hostile_pickles.running(canary)[name]
    before = set(sys.modules)
    with pytest.raises(UnsafePickleError) as caught:
        read(tmp_path, data)
    assert shown in str(caught.value)
    assert "model.pkl, byte " in str(caught.value)
    assert not canary.exists()
    assert not {m for m in set(sys.modules) - before if m.startswith(("antigravity", "team", "torch"))}


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_an_object_of_a_model_library_becomes_a_container_and_runs_nothing(tmp_path, name):
    canary = tmp_path / "canary"
    data, shown = hostile_pickles.running(canary)[name]
    root = read(tmp_path, data)
    assert isinstance(root, Inert)
    assert str(root.kind) == shown
    assert not canary.exists()


@pytest.mark.parametrize("name", ["numpy.load", "pandas eval", "torch.load", "sklearn's data loader"])
def test_a_function_of_a_model_library_is_called_unsupported_and_not_an_attack(tmp_path, name):
    with pytest.raises(UnsupportedPickleError, match="gradus does not support files that call this function"):
        read(tmp_path, hostile_pickles.running(tmp_path / "canary")[name][0])


def test_there_are_at_least_25_of_them():
    assert len(RUNNING) >= 25


@pytest.mark.parametrize("name", sorted(hostile_pickles.breaking()))
def test_a_pickle_that_would_break_something_is_refused(tmp_path, name):
    with pytest.raises((UnsafePickleError, BrokenPickleError), match=r"model\.pkl"):
        read(tmp_path, hostile_pickles.breaking()[name])


@pytest.mark.parametrize(
    "compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress], ids=lambda f: f.__module__
)
def test_a_compressed_bomb_is_refused_at_the_bound(tmp_path, compress):
    with pytest.raises(UnsafePickleError, match="at most 1000000 bytes, also when decompressed"):
        read(tmp_path, compress(bytes(20_000_000)), max_bytes=1_000_000)


def test_a_file_above_the_bound_is_refused(tmp_path):
    with pytest.raises(UnsafePickleError, match="at most 100 bytes"):
        read(tmp_path, bytes(101), max_bytes=100)


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file_that_was_cut_is_refused(tmp_path, compress):
    whole = compress(pickle.dumps(list(range(1000))))
    with pytest.raises(BrokenPickleError, match="must be complete"):
        read(tmp_path, whole[:-10])


def test_a_compressed_pickle_is_inspected_like_any_other(tmp_path):
    canary = tmp_path / "canary"
    with pytest.raises(UnsafePickleError, match=r"posix\.system"):
        read(tmp_path, gzip.compress(hostile_pickles.running(canary)["posix.system"][0]))
    assert not canary.exists()


@pytest.mark.parametrize("start", [b"ZF", b"\x04\x22\x4d\x18"])
def test_a_compression_that_cannot_be_bounded_is_refused_by_name(tmp_path, start):
    with pytest.raises(BrokenPickleError, match="compressed by zlib, gzip, bz2, xz or lzma"):
        read(tmp_path, start + b"rest")


def test_a_bomb_of_shared_references_is_refused_by_its_weight(tmp_path):
    data = b"\x80\x04]\x94" + b"".join(
        b"](h" + bytes([i]) * 1 + b"h" + bytes([i]) + b"e\x94" for i in range(100)
    )
    with pytest.raises(UnsafePickleError, match="must not name its parts again and again"):
        read(tmp_path, data + b".")


def test_more_opcodes_than_the_bound_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "MAX_OPCODES", 1000)
    with pytest.raises(UnsafePickleError, match="at most 1000 opcodes"):
        read(tmp_path, b"\x80\x02" + b"N0" * 1000 + b"N.")


def test_a_class_of_unknown_code_becomes_a_container_and_is_never_imported(tmp_path, monkeypatch):
    package = tmp_path / "team_code"
    package.mkdir()
    canary = tmp_path / "canary"
    (package / "__init__.py").write_text(f"open({str(canary)!r}, 'w').close()\nclass Ensemble: pass\n")
    data = b"\x80\x02cteam_code\nEnsemble\n)\x81}" + hostile_pickles.text("weights") + b"]sb."
    monkeypatch.syspath_prepend(str(tmp_path))
    root = read(tmp_path, data)
    assert isinstance(root, Inert)
    assert str(root.kind) == "team_code.Ensemble"
    assert root.attributes == {"weights": []}
    assert not canary.exists()
    assert "team_code" not in sys.modules


def test_joblibs_nested_streams_are_inspected_too(tmp_path):
    joblib = pytest.importorskip("joblib")
    import numpy as np

    canary = tmp_path / "canary"
    items = np.empty(1, dtype=object)
    items[0] = Reduces(os.system, (f"touch {canary}",))
    joblib.dump({"models": items}, tmp_path / "model.pkl")
    with pytest.raises(UnsafePickleError, match=r"posix\.system"):
        read_pickle(tmp_path / "model.pkl")
    assert not canary.exists()


def test_random_damage_to_a_pickle_raises_only_errors_of_gradus(tmp_path):
    import numpy as np

    whole = pickle.dumps({"a": [1, 2.5, "x", b"y", (None, True)], "b": np.arange(9.0)}, protocol=4)
    rng = np.random.default_rng(7)
    for _ in range(1000):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            data[at] = rng.integers(0, 256)
        with contextlib.suppress(UnsafePickleError, BrokenPickleError):
            read(tmp_path, bytes(data), max_bytes=1 << 20)


def test_a_file_that_is_not_there_is_named(tmp_path):
    from gradus_runtime.errors import DataError

    with pytest.raises(DataError, match=r"absent\.pkl: a model file must be readable"):
        read_pickle(tmp_path / "absent.pkl")
