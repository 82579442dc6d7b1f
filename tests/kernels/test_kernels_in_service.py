"""A Predictor with a kernel: which one ran is said everywhere, and the answers have the same bits."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.compact_artifacts import compact_version
from tests.support.golden import TRIO

from gradus_runtime import Predictor
from gradus_runtime.errors import EnvironmentFailedError, UsageError
from gradus_runtime.sessions.kernels import Kernel, find_kernel

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compact_version(tmp_path_factory.mktemp("artifact"), "2026.1.4")


def bot(artifact: Path, **settings: Any) -> Predictor:
    return Predictor.open(artifact, max_age_days=1_000_000, **settings)


def rows(predictor: Predictor, count: int) -> dict[str, Any]:
    values = (
        np.random.default_rng(8).normal(size=(count, len(predictor.feature_names_in_))).astype(np.float32)
    )
    return dict(zip(predictor.feature_names_in_, values.T, strict=True))


@pytest.mark.parametrize("isa", ["avx512", "avx2", "sse2", "neon"])
def test_decisions_and_tables_have_the_same_bits_with_and_without(
    artifact: Path, installed: Kernel, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADUS_KERNELS_ISA", isa)
    with bot(artifact, kernels="off") as plain, bot(artifact, kernels="require", threads=2) as native:
        for count in (1, 30, 700):
            table = rows(plain, count)
            assert plain.predict_proba(table).tobytes() == native.predict_proba(table).tobytes()
        for i in range(20):
            row = {name: values[i] for name, values in rows(plain, 20).items()}
            assert plain.decide(row).probabilities == native.decide(row).probabilities
        assert [level.kernel for level in plain.health().levels] == [None] * len(plain.health().levels)
        assert native.health().levels[0].kernel == "walks the trees"
        assert (plain.info().kernel, native.info().kernel) == ("off", "gradus-kernels 0.1.0")


def test_what_is_installed_is_used_unless_it_is_switched_off(artifact: Path, installed: Kernel) -> None:
    with bot(artifact, preload=True) as native:
        assert {level.kernel for level in native.health().levels} == {"walks the trees"}


def test_the_journal_says_what_the_kernel_does(artifact: Path, installed: Kernel, tmp_path: Path) -> None:
    with bot(artifact, journal=tmp_path / "journal") as native:
        native.decide({name: values[0] for name, values in rows(native, 1).items()})
    lines = [json.loads(line) for f in (tmp_path / "journal").glob("*.jsonl") for line in f.open()]
    said = [line["kernels"] for line in lines if line["gradus"].startswith("event")]
    assert said[0] == {}
    assert {"level1": "walks the trees"} in said


def test_where_none_is_installed_the_operators_walk(artifact: Path, alone: None) -> None:
    with bot(artifact, preload=True) as plain:
        assert plain.info().kernel == "none installed"
        assert {level.kernel for level in plain.health().levels} == {None}
    with pytest.raises(EnvironmentFailedError, match=r"gradus-kernels must be installed.*pip install"):
        bot(artifact, kernels="require")


def test_a_level_without_a_walk_serves_unless_a_kernel_is_required(
    installed: Kernel,
) -> None:
    with bot(TRIO, preload=True) as plain:
        assert {level.kernel for level in plain.health().levels} == {None}
        assert plain.health().status == "ok"
    with bot(TRIO, preload=True, kernels="require") as none:
        assert none.health().status == "failed"
        problem = none.health().levels[0].problem or ""
        assert "the kernel must walk the trees: the graph has no function gradus::TreeWalk1" in problem


def test_an_unknown_word_is_refused(artifact: Path) -> None:
    with pytest.raises(UsageError, match="kernels must be one of auto, off, require, but got 'on'"):
        bot(artifact, kernels="on")


@pytest.fixture
def damaged(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: None) -> Path:
    """An installed distribution to damage."""
    shutil.copytree(site, tmp_path / "site")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    return tmp_path / "site"


def test_a_library_that_record_does_not_name_is_not_loaded(artifact: Path, damaged: Path) -> None:
    (library,) = (damaged / "gradus_kernels").iterdir()
    library.write_bytes(library.read_bytes() + b"!")
    with pytest.raises(EnvironmentFailedError, match="the library must be the one that RECORD names"):
        find_kernel()
    with bot(artifact, preload=True) as plain:
        assert plain.info().kernel.startswith("not used: ")
        assert plain.health().status == "ok"


def test_a_library_that_onnxruntime_cannot_load_costs_no_level(artifact: Path, damaged: Path) -> None:
    import base64
    import hashlib

    (library,) = (damaged / "gradus_kernels").iterdir()
    library.write_bytes(b"no library")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"no library").digest()).rstrip(b"=").decode()
    (record,) = damaged.glob("*.dist-info/RECORD")
    lines = record.read_text().splitlines()
    kept = [line for line in lines if library.name not in line]
    record.write_text("\n".join([f"gradus_kernels/{library.name},sha256={digest},10", *kept]) + "\n")
    with bot(artifact, preload=True) as plain:
        assert plain.health().status == "ok"
        said = plain.health().levels[0].kernel or ""
        assert said.startswith("not used: ")
        assert library.name in said


def test_a_distribution_without_a_library_is_named(damaged: Path) -> None:
    (record,) = damaged.glob("*.dist-info/RECORD")
    record.write_text("")
    with pytest.raises(EnvironmentFailedError, match=r"RECORD must list one library, but got \[\]"):
        find_kernel()
    record.unlink()
    with pytest.raises(EnvironmentFailedError, match="RECORD must be readable"):
        find_kernel()


def test_the_wheel_holds_a_library_and_no_module(site: Path) -> None:
    kinds = {path.suffix for path in (site / "gradus_kernels").iterdir()}
    assert kinds <= {".so", ".dylib", ".dll"}
    assert not [*site.rglob("*.py")]


def test_wheels_of_one_library_have_the_same_bytes(tmp_path: Path) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("kernels_build", ROOT / "kernels" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = build
    spec.loader.exec_module(build)
    target = build.TARGETS["win_arm64"]
    first, second = (build.write_wheel(target, b"library", tmp_path / name) for name in "ab")
    assert first.name == "gradus_kernels-0.1.0-py3-none-win_arm64.whl"
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as wheel:
        assert wheel.read("gradus_kernels/gradus_kernels.dll") == b"library"
        assert "Tag: py3-none-win_arm64" in wheel.read("gradus_kernels-0.1.0.dist-info/WHEEL").decode()


def test_health_files_and_journals_from_before_kernels_stay_readable(
    artifact: Path, tmp_path: Path, alone: None
) -> None:
    from gradus_runtime.monitoring.health_file import read_health_file

    path = tmp_path / "health.json"
    with bot(artifact, health_file=path) as plain:
        plain.decide({name: values[0] for name, values in rows(plain, 1).items()})
    old = json.loads(path.read_text())
    for level in old["health"]["levels"]:
        del level["kernel"]
    path.write_text(json.dumps(old))
    assert read_health_file(path).health.levels[0].kernel is None
