"""Small markets on which models are trained, for the evidence of the gates."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.support.training import config_table

from gradus_live.bars import Bars
from gradus_live.costs import Costs
from gradus_live.labels import FixedHorizon, outcomes
from gradus_live.volatility import recent_volatility
from gradus_runtime.contracts import feature_order
from gradus_runtime.contracts.feature_order import Feature, FeatureOrder, Group, LevelSpec
from gradus_train import config as configuration
from gradus_train.config import parse
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.source import DataSource
from gradus_train.market import simulate
from gradus_train.run.run import train
from gradus_train.training.prepare import prepare
from gradus_train.training.progress import Silent

__all__ = ["embedded_verdict", "small_market", "small_verdict"]

BAR_MS = 900_000
ROWS = 5_000
FREE = Costs("none", "2026-01-01", 0.0, 0.0, 0.0, 0.0, 0.0)
NAMES = ("r1", "r2", "r4", "r16", "calm", "range", "hour")
ORDER = FeatureOrder(
    (Group("price", tuple(Feature(n, "price", "") for n in NAMES)),), (LevelSpec("only", ("price",)),)
)
ROOT = Path(__file__).parents[2]
MEMBERS = {
    "lightgbm": {"n_estimators": 30, "num_leaves": 15, "learning_rate": 0.1},
    "random_forest": {"n_estimators": 20, "max_depth": 6},
}


def small_verdict(seed: int, *, peek: bool = False) -> str:
    """Train on a market without edge, and return the verdict; with `peek` a feature knows the next bar."""
    data = small_market(seed, peek=peek)
    table = config_table(tuple(MEMBERS), split={"folds": 4}, early_stopping={"rounds": 10})
    for member in table["members"]:
        member["parameters"] = MEMBERS[member["kind"]]
    plan = prepare(data, ORDER, parse(table, place="small"))
    with tempfile.TemporaryDirectory() as folder:
        return train(plan, Path(folder) / "run", jobs=1, progress=Silent(), costs=FREE).details.verdict.name


def embedded_verdict(seed: int, signal: float, folder: Path) -> str:
    """Train trees with large leaves on the embedded market, and return the verdict."""
    files = simulate(folder, bars=15_000, seed=seed, signal=signal)
    config = configuration.load(ROOT / "config/demo.toml")
    leaves = {
        "lightgbm": {"min_child_samples": 200},
        "xgboost": {"min_child_weight": 40},
        "random_forest": {"min_samples_leaf": 100},
    }
    members = tuple(replace(m, parameters={**m.parameters, **leaves[m.name]}) for m in config.members)
    config = replace(config, members=members, split=replace(config.split, folds=3))
    order = feature_order.load(ROOT / "config/feature_order.json")
    data = load_dataset(DataSource(files.candles, files.macro), order, config.labels)
    plan = prepare(data, order, config)
    return train(plan, folder / "run", jobs=2, progress=Silent(), costs=FREE).details.verdict.name


def small_market(seed: int, *, peek: bool = False) -> Dataset:
    """Prices with clusters of volatility and heavy tails; signs are drawn at random."""
    rng = np.random.default_rng([seed, 99])
    swing, last = np.empty(ROWS), 0.0
    for i, shock in enumerate((0.1 * rng.standard_normal(ROWS)).tolist()):
        last = 0.98 * last + shock
        swing[i] = last
    hour = np.arange(ROWS) % 96
    sigma = 0.002 * np.exp(swing + 0.3 * np.cos(2 * np.pi * hour / 96))
    close = 1000 * np.exp(np.cumsum(sigma * rng.standard_t(5, ROWS) * 0.77))
    time = 1_700_000_100_000 + BAR_MS * np.arange(ROWS, dtype=np.int64)
    bars = Bars(time, close, BAR_MS, np.append(close[0], close[:-1]))
    logs = np.log(close)
    columns = [_change(logs, k) for k in (1, 2, 4, 16)]
    volatility = recent_volatility(bars, 32)
    columns += [volatility, _change(volatility, 8), hour.astype(float)]
    if peek:
        columns[0] = np.append(columns[0][1:], np.nan)
    ahead = np.abs(close[4:] / close[:-4] - 1)
    rule = FixedHorizon(4, float(np.quantile(ahead, (0.5, 0.6, 0.7, 0.8)[seed % 4])))
    made = outcomes(rule, bars)
    return Dataset(
        names=NAMES,
        features=np.column_stack(columns).astype(np.float32),
        labels=made.labels,
        timestamps=time,
        classes=rule.classes,
        bar_ms=BAR_MS,
        data_sha256="0" * 64,
        data_start="2023-11-14T22:15:00Z",
        data_end="2024-01-05T00:00:00Z",
        simulated=True,
        close=close,
        rule=rule,
        trades=replace(made),
        sigma=recent_volatility(bars, 96),
    )


def _change(values: np.ndarray, lag: int) -> np.ndarray:
    result = np.full(len(values), np.nan)
    result[lag:] = values[lag:] - values[:-lag]
    return result
