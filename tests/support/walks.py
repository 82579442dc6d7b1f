"""A small walk on the embedded market: three levels of few features, one quick member, four weeks."""

from __future__ import annotations

import json
from pathlib import Path

from gradus_runtime.cli import main
from gradus_train.market import MarketFiles, simulate

TRAINING = """
format = "gradus-training/2"
seed = 5
[data]
minimum_rows = 500
[labels]
kind = "fixed_horizon"
horizon = 4
threshold = 0.003
[split]
folds = 2
holdout = 0.2
[early_stopping]
rounds = 0
tail = 0.15
refit = false
[imbalance]
smote = false
[vote]
kind = "soft"
weights = "fixed"
[service]
order = "declared"
[[members]]
name = "lightgbm"
kind = "lightgbm"
weight = 1.0
class_weight = 0.0
[members.parameters]
n_estimators = 8
max_depth = 3
num_leaves = 7
"""
COSTS = """
format = "gradus-costs/1"
market = "simulated"
as_of = 2025-01-01
maker_fee = 0.0
taker_fee = 4.0
spread = 0.5
slippage = 0.5
funding_per_day = 0.0
"""
ARTIFACT = """
format = "gradus-artifact/1"
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
"""
GATES = """
format = "gradus-gates/2"
[[gates]]
test = "leak"
[[gates]]
level = "*"
metric = "log_loss"
margin_to_pinned = 0.05
"""
ORDER = {
    "format": "gradus-feature-order/2",
    "daily": ["usd_jpy"],
    "groups": [
        {
            "name": "price",
            "features": [
                {"name": "move", "definition": "", "expression": "log(close / lag(close, 1))"},
                {"name": "swing", "definition": "", "expression": "std(close, 12) / close"},
                {"name": "trend", "definition": "", "expression": "close / ema(close, 8, 60) - 1"},
            ],
        },
        {
            "name": "outside",
            "features": [
                {"name": "usd", "definition": "", "expression": "daily(usd_jpy)"},
            ],
        },
    ],
    "levels": [
        {"name": "level1", "groups": ["price", "outside"]},
        {"name": "level2", "groups": ["price"]},
    ],
}


def write_project(folder: Path, *, bars: int = 5200, signal: float = 1.0, seed: int = 7) -> MarketFiles:
    """Write a configuration and a market into a folder."""
    config = folder / "config"
    config.mkdir(parents=True)
    (config / "training.toml").write_text(TRAINING)
    (config / "costs.toml").write_text(COSTS)
    (config / "artifact.toml").write_text(ARTIFACT)
    (config / "gates.toml").write_text(GATES)
    (config / "feature_order.json").write_text(json.dumps(ORDER))
    return simulate(folder / "market", bars=bars, signal=signal, seed=seed)


def words(folder: Path, *more: str) -> list[str]:
    """The command line of a walk of four weeks; later words win."""
    config = folder / "config"
    market = folder / "market"
    found = ["walk", "--candles", str(market / "candles.csv"), "--daily", str(market / "macro.csv")]
    found += ["--from", "2025-01-27", "--to", "2025-02-23", "--train-days", "20", "--jobs", "1"]
    for name, file in (
        ("config", "training.toml"),
        ("costs", "costs.toml"),
        ("gates", "gates.toml"),
        ("artifact", "artifact.toml"),
        ("feature-order", "feature_order.json"),
    ):
        found += [f"--{name}", str(config / file)]
    return [*found, "--json", *more]


def run_walk(folder: Path, out: Path, *more: str) -> dict:
    """Walk, and return what `walk.json` holds."""
    assert main([*words(folder), "--out", str(out), *more]) == 0
    return json.loads((out / "walk.json").read_bytes())["walk"]


def cut(path: Path, moment: str) -> None:
    """Truncate a file of candles: what opens at or after a moment is gone."""
    head, *rows = path.read_text().splitlines(keepends=True)
    path.write_text(head + "".join(r for r in rows if r.partition(",")[0] < moment))
