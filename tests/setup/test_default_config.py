"""The default configuration: one copy, in the wheels, used where there is no `config/`, which is said."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.support.projects import PROJECT, versioned_files

from gradus_runtime.cli.main import main
from gradus_runtime.contracts import default_files, feature_order
from gradus_runtime.errors import EnvironmentFailedError

CONFIG = PROJECT / "config"
INSIDE = {
    "convert": {"artifact.toml"},
    "train": {"artifact.toml", "costs.toml", "feature_order.json", "gates.toml", "training.toml"},
}


def build(package: Path, target: str, out: Path) -> Path:
    """Build a wheel or a source distribution with the backend that pip calls."""
    words = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(words, cwd=package, check=True, capture_output=True)
    (made,) = out.glob(f"gradus_{package.name.split('-')[0].removeprefix('gradus_')}-*")
    return made


def config_files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {Path(n).name: archive.read(n) for n in archive.namelist() if "/default_config/" in n}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    return {n: build(PROJECT / n, "wheel", folder / n) for n in ("runtime", "live", "train", "convert")}


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four wheels, unpacked as an installer does, without the clone around them."""
    folder = tmp_path_factory.mktemp("installed")
    for wheel in wheels.values():
        zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.mark.parametrize("package", INSIDE)
def test_a_wheel_holds_the_files_of_config(package: str, wheels: dict[str, Path]) -> None:
    expected = {name: (CONFIG / name).read_bytes() for name in INSIDE[package]}
    assert config_files(wheels[package]) == expected


def test_a_wheel_built_from_the_source_distribution_holds_them_too(
    tmp_path: Path, wheels: dict[str, Path]
) -> None:
    with tarfile.open(build(PROJECT / "train", "sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.glob("gradus_train-*")
    assert config_files(build(source, "wheel", tmp_path / "wheel")) == config_files(wheels["train"])


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="this copy is not under version control")
def test_there_is_one_copy_of_each_file() -> None:
    copies: dict[str, list[str]] = {}
    for name in versioned_files():
        copies.setdefault(hashlib.sha256((PROJECT / name).read_bytes()).hexdigest(), []).append(name)
    for name in INSIDE["train"]:
        assert copies[hashlib.sha256((CONFIG / name).read_bytes()).hexdigest()] == [f"config/{name}"]


def gradus(folder: Path, installed: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    code = (
        "import sys, gradus_train, gradus_convert; from gradus_runtime.cli.main import main;"
        f"assert gradus_train.__file__.startswith({str(installed)!r});"
        f"assert gradus_convert.__file__.startswith({str(installed)!r}); sys.exit(main(sys.argv[1:]))"
    )
    done = [sys.executable, "-c", code, *words]
    return subprocess.run(done, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_commands_of_the_wheels_work_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    told = gradus(tmp_path, installed, "features", "--explain", "rsi_14")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("rsi_14")
    assert told.stderr == (
        "No config/training.toml, config/feature_order.json here: the defaults of gradus-train are used\n"
    )
    planned = gradus(
        tmp_path, installed, "train", "--simulate", "--bars", "2500", "--level", "3", "--dry-run"
    )
    assert planned.returncode == 0, planned.stderr
    order = feature_order.load(PROJECT / "config" / "feature_order.json")
    assert f"level3: {len(order.level_features('level3'))} features" in planned.stdout
    assert "config/gates.toml" in planned.stderr
    refused = gradus(tmp_path, installed, "convert", "--run", "none", "--store", "store")
    assert "No config/artifact.toml here: the defaults of gradus-convert are used" in refused.stderr
    assert "none/training_metadata.json" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_editable_install_works_in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["features", "--explain", "rsi_14"]) == 0
    assert "defaults of gradus-train are used" in capsys.readouterr().err


def test_a_file_in_config_comes_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    for name in ("training.toml", "feature_order.json"):
        (tmp_path / "config" / name).write_bytes((CONFIG / name).read_bytes())
    assert main(["features", "--explain", "rsi_14"]) == 0
    assert capsys.readouterr().err == ""
    (tmp_path / "config" / "training.toml").write_text("format = 'other'")
    assert main(["features", "--explain", "rsi_14"]) == 2
    assert "config/training.toml: format" in capsys.readouterr().err


def test_a_file_that_was_named_has_no_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["features", "--explain", "rsi_14", "--config", "config/training.toml"]) == 2
    assert "config/training.toml: a training configuration must be readable" in capsys.readouterr().err


def test_a_package_without_its_defaults_says_so() -> None:
    with pytest.raises(EnvironmentFailedError, match="Reinstall gradus-live"):
        default_files.default_file("gradus_live", "nothing.toml")


def test_the_build_hooks_of_the_packages_differ_in_what_they_include_alone() -> None:
    """A hook must lie in its package, so there are two; what one learns the other must learn, too."""
    hooks = [(PROJECT / package / "hatch_build.py").read_text("utf-8") for package in ("train", "convert")]
    own = ("PACKAGE = ", "FILES = ")
    train, convert = ([line for line in hook.splitlines() if not line.startswith(own)] for hook in hooks)
    assert train == convert
