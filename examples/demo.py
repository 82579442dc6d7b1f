"""The whole way of the data on an embedded market: train, convert, pin, predict.

Run it by `make demo`. Each step is a command that you can run alone; each is printed before it runs.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gradus_runtime import Predictor
from gradus_runtime.contracts import feature_order

PROJECT = Path(__file__).resolve().parent.parent
GRADUS = Path(sys.executable).with_name("gradus")
RUN = "runs/demo"
STORE = "artifacts/demo"


def gradus(*arguments: str) -> None:
    """Run one command of gradus, shown before, in the project's folder."""
    print(f"\n$ gradus {' '.join(arguments)}", flush=True)
    subprocess.run([str(GRADUS), *arguments], cwd=PROJECT, check=True)


def newest_call(bot: Predictor) -> dict[str, float]:
    """Features of the newest complete holdout row on which the bot would trade."""
    with np.load(PROJECT / RUN / "holdout.npz", allow_pickle=False) as holdout:
        features = holdout["features"]
    complete = features[np.isfinite(features).all(axis=1)]
    actions = bot.predict(complete, ordered=True).actions
    trades = [i for i, action in enumerate(actions) if action != "HOLD"]
    row = complete[trades[-1] if trades else -1]
    return {name: float(value) for name, value in zip(bot.feature_names_in_, row, strict=True)}


def without(row: Mapping[str, float], names: tuple[str, ...]) -> dict[str, float]:
    """Return the row without some features, as after an outage."""
    return {name: value for name, value in row.items() if name not in names}


def main() -> None:
    """Train, convert, pin, and show which level serves what is left of a row."""
    started = time.monotonic()
    gradus("train", "--simulate", "--config", "config/demo.toml", "--out", RUN, "--store", STORE, "--resume")
    gradus("convert", "--run", RUN, "--store", STORE, "--pin")

    order = feature_order.load(PROJECT / "config" / "feature_order.json")
    external = tuple(f.name for f in order.features if f.group == "external_api")
    signals = tuple(f.name for f in order.features if f.group == "strategy_signals")
    bot = Predictor.open(PROJECT / STORE)
    row = newest_call(bot)
    cases: tuple[tuple[str, dict[str, float]], ...] = (
        ("every feature", row),
        ("external APIs down", without(row, external)),
        ("... and no strategy signals", without(row, external + signals)),
        ("nothing at all", {}),
    )
    print("\nWhat a bot gets, whatever it has:\n")
    print(f"  {'the row has':<28} {'served by':<10} {'action':<7} {'confidence':>10}   why not better")
    print(f"  {'-' * 28} {'-' * 10} {'-' * 7} {'-' * 10}   {'-' * 40}")
    for title, features in cases:
        decision = bot.decide(features)
        why = "; ".join(decision.reasons)
        print(
            f"  {title:<28} {decision.level or 'fallback':<10} {decision.action:<7} "
            f"{decision.confidence:>10.2f}   {textwrap.shorten(why, 60, placeholder=' ...')}"
        )
    print(
        f"\nAll of it in {time.monotonic() - started:.0f} s. "
        f"Next: README.md, or `gradus list --store {STORE}`."
    )


if __name__ == "__main__":
    main()
