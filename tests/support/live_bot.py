"""A bot's decisions and what came of them, made up: with a known skill, and without a model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from tests.support.golden import TRIO

from gradus_live.bars import Bars
from gradus_live.outcomes import OutcomeLine
from gradus_runtime.contracts.manifest import Manifest, parse
from gradus_runtime.journal.line import bits_of

BAR_MS = 900_000
START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
DAY = 96
CLASSES = ("SELL", "HOLD", "BUY")
SHARES = (0.15, 0.7, 0.15)


def promising(version: str = "2026.1.4", low: float = 0.01, high: float = 0.05, folds: int = 5) -> Manifest:
    """The manifest of a version whose training promised a Brier skill between two figures."""
    manifest = parse((TRIO / "manifest.json").read_bytes())
    promise = {
        "folds": float(folds),
        "fold_skill_low": low,
        "fold_skill_mean": (low + high) / 2,
        "fold_skill_high": high,
        **{f"label_share_{i}": share for i, share in enumerate(SHARES)},
    }
    levels = tuple(dataclasses.replace(s, metrics={**s.metrics, **promise}) for s in manifest.levels)
    return dataclasses.replace(manifest, version=version, levels=levels)


def made_up(
    bars: int,
    *,
    skill: float = 1.0,
    skill_from: tuple[int, float] | None = None,
    version: str = "2026.1.4",
    level: str = "level1",
    first: int = 0,
    seed: int = 0,
) -> list[OutcomeLine]:
    """Outcomes of a bot whose probabilities are right (skill 1), or have nothing to do with what comes (0).

    Args:
        bars: How many.
        skill: Share of bars whose probabilities are those that the class is drawn from.
        skill_from: A bar, and the skill from there on.
        version: That decided.
        level: That served.
        first: Number of the first bar.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(bars):
        now = skill_from[1] if skill_from is not None and i >= skill_from[0] else skill
        truth = rng.dirichlet((1.5, 7.0, 1.5))
        came = int(rng.choice(3, p=truth))
        said = truth if rng.random() < now else rng.dirichlet((1.5, 7.0, 1.5))
        call = CLASSES[int(said.argmax())]
        gain = {0: -0.004, 1: 0.0, 2: 0.004}[came] + 0.001 * rng.standard_normal()
        stamp = START + (first + i) * BAR_MS
        lines.append(
            OutcomeLine(
                id=f"{seed:04d}-{first + i:08d}",
                decided=f"2026-01-01T00:00:00.{i:06d}Z",
                bar=stamp,
                bar_ms=BAR_MS,
                artifact="trio",
                version=version,
                digest=version,
                level=level,
                action=call,
                call=call,
                bits=bits_of(said.tolist()),
                classes=CLASSES,
                side={"SELL": -1, "HOLD": 0, "BUY": 1}[call],
                label=CLASSES[came],
                long=float(gain),
                short=float(-gain),
                long_bars=4,
                short_bars=4,
                net=None,
            )
        )
    return lines


def walk(bars: int, seed: int = 0, *, first: int = 0) -> Bars:
    """Candles of a random walk."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(0.003 * rng.standard_normal(first + bars)))[first:]
    opened = np.concatenate([[close[0]], close[:-1]])
    stamps = START + BAR_MS * (first + np.arange(bars, dtype=np.int64))
    return Bars(stamps, close, BAR_MS, opened, np.maximum(opened, close), np.minimum(opened, close))


def write_candles(path: Path, bars: Bars, keep: slice = slice(None)) -> Path:
    """Write candles as CSV."""
    assert bars.open is not None
    assert bars.high is not None
    assert bars.low is not None
    prices = zip(bars.open.tolist(), bars.high.tolist(), bars.low.tolist(), bars.close.tolist(), strict=True)
    rows = zip(bars.timestamps.tolist(), prices, strict=True)
    text = [",".join([str(stamp), *map(repr, row)]) for stamp, row in rows][keep]
    path.write_text("timestamp,open,high,low,close\n" + "\n".join(text) + "\n", "ascii")
    return path
