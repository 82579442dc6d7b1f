"""What each package offers, to users and to our own packages: two committed lists, compared with the code."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {name: ROOT / name / "src" / f"gradus_{name}" for name in ("runtime", "convert", "train", "live")}

PUBLIC = {
    "gradus_runtime": {
        "CheckError",
        "ConfigError",
        "DataError",
        "Decision",
        "DriftReport",
        "EnvironmentFailedError",
        "GradusError",
        "Health",
        "Info",
        "IntegrityError",
        "ManifestError",
        "Predictions",
        "Predictor",
        "Store",
        "StoreError",
        "UsageError",
        "__version__",
        "open_artifact",
    },
    "gradus_convert": {
        "ArtifactConfig",
        "CompiledModel",
        "Conversion",
        "InexactModelError",
        "ParityError",
        "__version__",
        "compile",
        "convert_run",
        "export_zip",
        "import_artifact",
        "load_config",
        "publish_version",
    },
    "gradus_train": {
        "DataSettings",
        "DataSource",
        "Dataset",
        "Outcome",
        "Plan",
        "TrainingConfig",
        "__version__",
        "latest_features",
        "load_config",
        "load_dataset",
        "load_feature_order",
        "load_gates",
        "prepare",
        "simulate",
        "train",
    },
}
"""What users may import from a package; everything else is private to them."""

FOR_OUR_PACKAGES = {
    "gradus_runtime": "the public surface",
    "gradus_runtime.candles": "training and serving prepare bars alike, with all modules in it",
    "gradus_runtime.cli.command": "a command of any package is a `Command`",
    "gradus_runtime.cli.options": "options that commands share",
    "gradus_runtime.cli.output": "what commands print alike",
    "gradus_runtime.contracts": "the formats that the packages share, with all modules in it",
    "gradus_runtime.errors": "the errors, with all modules in it",
    "gradus_runtime.journal": "a record of a running bot is made from its journal",
    "gradus_runtime.monitoring.metrics": "a journal is shown to Prometheus under the same names",
    "gradus_runtime.serving.drift_history": "drift is counted from a journal as the runtime counts it",
    "gradus_runtime.policy": "training chooses a policy by the rules that will serve",
    "gradus_runtime.policy.window": "training moves a threshold as serving does",
    "gradus_runtime.rows": "row files and values are read by one reader, with all modules in it",
    "gradus_runtime.serving.golden_replay": "`validate` proves a version as the runtime does",
    "gradus_runtime.serving.pin_check": "whoever pins replays the golden rows first",
    "gradus_runtime.sessions.features_session": "training runs the graph that will serve",
    "gradus_runtime.sessions.level_session": "`validate` proves a version as the runtime does",
    "gradus_runtime.sessions.onnx_session": "conversion proves a graph on the session that will serve it",
    "gradus_runtime.wording": "a count and its noun agree alike everywhere",
    "gradus_runtime.store": "publishing is half of the store's protocol, with all modules in it",
}
"""What convert, train and live may import from the runtime, and why."""

WITH_ALL_IN_IT = {name for name, why in FOR_OUR_PACKAGES.items() if why.endswith("with all modules in it")}


def imported(path: Path) -> set[str]:
    """The modules of the runtime that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in inner if is_module(name)}
            found |= modules | ({node.module} if len(modules) < len(inner) else set())
    return {name for name in found if name.split(".")[0] == "gradus_runtime"}


def is_module(name: str) -> bool:
    if name.split(".")[0] != "gradus_runtime":
        return False
    path = SOURCES["runtime"].joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def allowed(module: str) -> bool:
    parts = module.split(".")
    above = {".".join(parts[: i + 1]) for i in range(len(parts))}
    return module in FOR_OUR_PACKAGES or bool(above & WITH_ALL_IN_IT)


@pytest.mark.parametrize("package", PUBLIC)
def test_a_package_offers_what_the_list_says(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) == PUBLIC[package]
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(dir(module)) == PUBLIC[package]
    with pytest.raises(AttributeError, match="nonsense"):
        _ = module.nonsense


@pytest.mark.parametrize("package", PUBLIC)
def test_what_a_package_offers_is_imported_when_it_is_asked_for(package: str) -> None:
    script = f"import sys, {package}; print('numpy' in sys.modules, 'onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_our_packages_import_only_what_the_list_says_of_the_runtime() -> None:
    files = [path for name in ("convert", "train", "live") for path in SOURCES[name].rglob("*.py")]
    assert len(files) > 100
    wrong = [(path.name, name) for path in files for name in imported(path) if not allowed(name)]
    assert wrong == []


def test_every_entry_of_the_list_is_used() -> None:
    files = [path for name in ("convert", "train", "live") for path in SOURCES[name].rglob("*.py")]
    used = {name for path in files for name in imported(path)}
    assert [
        entry for entry in FOR_OUR_PACKAGES if not any(f"{u}.".startswith(f"{entry}.") for u in used)
    ] == []


def test_an_import_that_is_not_on_the_list_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "from gradus_runtime.serving import batch\nfrom gradus_runtime import Health\n"
    )
    assert imported(tmp_path / "a.py") == {"gradus_runtime.serving.batch", "gradus_runtime"}
    assert not allowed("gradus_runtime.serving.batch")


def folders_without_init(top: Path) -> list[str]:
    folders = {path.parent for path in top.rglob("*.py")}
    return sorted(str(f.relative_to(top)) for f in folders if not (f / "__init__.py").is_file())


@pytest.mark.parametrize("package", SOURCES)
def test_every_folder_of_modules_is_a_package_that_the_import_walls_see(package: str) -> None:
    assert folders_without_init(SOURCES[package]) == []


def test_a_folder_of_modules_that_is_no_package_is_found(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "__init__.py").touch()
    (tmp_path / "a" / "b" / "module.py").touch()
    assert folders_without_init(tmp_path) == ["a/b"]
