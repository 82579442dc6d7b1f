"""Small finished run folders, written without training code: three features in two groups, two levels."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from gradus_runtime.contracts import run_folder
from gradus_runtime.contracts.manifest import Histogram, Provenance

ORDER = {
    "format": "gradus-feature-order/1",
    "groups": [
        {"name": "basic", "features": [{"name": n, "definition": n} for n in ("close", "volume", "rsi")]},
        {"name": "outside", "features": [{"name": n, "definition": n} for n in ("usd_jpy", "vix")]},
    ],
    "levels": [
        {"name": "level1", "groups": ["basic", "outside"]},
        {"name": "level2", "groups": ["basic"]},
    ],
}
CLASSES = ("SELL", "HOLD", "BUY")
CONFIG = """
format = "gradus-artifact/1"
name = "tiny"
[decision]
confidence_threshold = 0.35
fallback_action = "HOLD"
fallback_confidence = 0.5
fallback_probabilities = [0.25, 0.5, 0.25]
max_age_days = 30
[runtime]
minimum = "1.20.0"
known_bad = ["1.26.0"]
[aliases]
production_ensemble_full = "level1"
"production_ensemble.pkl" = "level2"
"""


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Complete rows float32 [count, 5] and labels."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 5)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1] * 4) / 4
    return X, np.digitize(X[:, 0] + X[:, 1] * X[:, 3] + rng.normal(scale=0.4, size=count), [-0.5, 0.5])


def members(level: int) -> dict[str, tuple[str, Any, tuple[int, ...]]]:
    """Library, model and classes of each member; the last one never saw a SELL."""
    import lightgbm
    import xgboost
    from sklearn.ensemble import RandomForestClassifier

    X, y = rows(500, 1)
    X = X[:, : 5 if level == 1 else 3]
    seen = y > 0
    boosted = lightgbm.LGBMClassifier(n_estimators=5, num_leaves=7, n_jobs=1, verbose=-1)
    other = xgboost.XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1)
    forest = RandomForestClassifier(n_estimators=5, max_depth=5, random_state=0)
    return {
        "lightgbm": ("lightgbm", boosted.fit(X, y), (0, 1, 2)),
        "xgboost": ("xgboost", other.fit(X, y), (0, 1, 2)),
        "random_forest": ("sklearn", forest.fit(X[seen], y[seen]), (1, 2)),
    }


def write(
    folder: Path,
    *,
    gate: bool | None = True,
    models: dict[str, dict[str, tuple[str, Any, tuple[int, ...]]]] | None = None,
    vote: str = "soft",
) -> Path:
    """Write a finished run folder, and `artifact.toml` beside its files."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = models or {"level1": members(1), "level2": members(2)}
    X, y = rows(300, 2)
    X[:40, 3:] = np.nan
    (folder / "feature_order.json").write_text(json.dumps(ORDER))
    (folder / "artifact.toml").write_text(CONFIG)
    np.savez(folder / "holdout.npz", features=X, labels=y, timestamps=np.arange(len(X)))
    run = run_folder.Run(
        classes=CLASSES,
        levels=tuple(
            run_folder.RunLevel(
                name, tuple(_save(folder, name, k, *m) for k, m in chosen[name].items()), vote, {"f1": 0.5}
            )
            for name in chosen
        ),
        features=tuple(
            run_folder.FeatureStatistics(n, -3.0, 3.0, Histogram((-1.0, 1.0), (80, 340, 80)))
            for n in ("close", "volume", "rsi", "usd_jpy", "vix")
        ),
        holdout_rows=len(X),
        holdout_sha256=sha256(folder / "holdout.npz"),
        gate_passed=gate,
        provenance=Provenance(
            True, "0" * 64, "2026-01-01T00:00:00Z", "2026-11-01T00:00:00Z", 500, "1" * 64, None, {}, 1
        ),
    )
    (folder / run_folder.METADATA).write_bytes(run_folder.dump(run, {}))
    return folder


def sha256(path: Path) -> str:
    """In hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _save(
    folder: Path, level: str, name: str, library: str, model: Any, classes: tuple[int, ...]
) -> run_folder.RunMember:
    import skops.io

    suffix = {"lightgbm": "txt", "xgboost": "ubj", "sklearn": "skops"}[library]
    path = folder / "levels" / level / f"{name}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if library == "lightgbm":
        model.booster_.save_model(path)
    elif library == "xgboost":
        model.get_booster().save_model(path)
    else:
        skops.io.dump(model, path)
    weight = {"lightgbm": 0.4, "xgboost": 0.4}.get(name, 0.2)
    return run_folder.RunMember(name, library, str(path.relative_to(folder)), sha256(path), weight, classes)
