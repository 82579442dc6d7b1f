"""The full pipeline on an embedded market: simulate, train, convert, pin, predict.

Run it by `make demo`. Each step is a command that you can run alone; each is printed before it runs. The
examples of the documents use what it leaves: `data/demo/` (candles.csv, macro.csv, rows.jsonl, row.json,
forest.onnx), `runs/demo/` and `artifacts/demo/`.
"""

from __future__ import annotations

import json
import math
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
DATA = "data/demo"
RUN = "runs/demo"
STORE = "artifacts/demo"
DAYS = "125"  # those before them are history for features: so all levels learn from the same days
ROWS = 300


def gradus(*arguments: str) -> None:
    """Run one command of gradus, shown before, in the project's folder."""
    print(f"\n$ gradus {' '.join(arguments)}", flush=True)
    subprocess.run([str(GRADUS), *arguments], cwd=PROJECT, check=True)


def holdout_rows() -> list[dict[str, float | None]]:
    """Rows of the holdout as mappings from feature to value; null for what is missing."""
    order = feature_order.load(PROJECT / RUN / "feature_order.json")
    with np.load(PROJECT / RUN / "holdout.npz", allow_pickle=False) as holdout:
        rows = holdout["features"][-ROWS:].tolist()
    names = [feature.name for feature in order.features]
    return [{n: v if math.isfinite(v) else None for n, v in zip(names, row, strict=True)} for row in rows]


def newest_call(bot: Predictor, rows: list[dict[str, float | None]]) -> dict[str, float | None]:
    """Return the newest complete row on which the bot would trade."""
    complete = [row for row in rows if None not in row.values()]
    trades = [row for row in complete if bot.decide(row).action != "HOLD"]
    return (trades or complete)[-1]


def write_rows(rows: list[dict[str, float | None]], row: dict[str, float | None]) -> None:
    """Write the rows, one JSON object a line, and one of them alone."""
    folder = PROJECT / DATA
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    (folder / "row.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


def write_stock_graph(names: tuple[str, ...]) -> None:
    """Write the random forest of level 1 as skl2onnx converts it: the ONNX file that most people have."""
    from skl2onnx import to_onnx
    from skops import io

    file = PROJECT / RUN / "levels" / "level1" / "random_forest.skops"
    forest = io.load(file, trusted=io.get_untrusted_types(file=file))
    row = np.zeros((1, len(names)), np.float32)
    graph = to_onnx(forest, row, options={"zipmap": False})
    (PROJECT / DATA / "forest.onnx").write_bytes(graph.SerializeToString())


def without(row: Mapping[str, float | None], names: tuple[str, ...]) -> dict[str, float | None]:
    """Return the row without some features, as after an outage."""
    return {name: value for name, value in row.items() if name not in names}


def main() -> None:
    """Train, convert, pin, and show which level serves what is left of a row."""
    started = time.monotonic()
    candles, macro = f"{DATA}/candles.csv", f"{DATA}/macro.csv"
    gradus("simulate", "--out", DATA)
    training = ("--candles", candles, "--daily", macro, "--config", "config/demo.toml", "--days", DAYS)
    gradus("train", *training, "--out", RUN, "--store", STORE, "--resume")
    gradus("convert", "--run", RUN, "--store", STORE, "--pin")

    order = feature_order.load(PROJECT / "config" / "feature_order.json")
    external = tuple(f.name for f in order.features if f.group == "external_api")
    signals = tuple(f.name for f in order.features if f.group == "strategy_signals")
    bot = Predictor.open(PROJECT / STORE)
    rows = holdout_rows()
    row = newest_call(bot, rows)
    write_rows(rows, row)
    write_stock_graph(tuple(row))
    cases: tuple[tuple[str, dict[str, float | None]], ...] = (
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
    print(f"\nAll of it in {time.monotonic() - started:.0f} s. Left here: {DATA}/, {RUN}/ and {STORE}/.")
    print("Next: README.md, or `source .venv/bin/activate` and `gradus list --store artifacts/demo`.")


if __name__ == "__main__":
    main()
