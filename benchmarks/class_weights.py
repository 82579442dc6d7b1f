"""What a balanced member costs out of fold: as it is, with its class weights undone, and unbalanced.

    python -m benchmarks.class_weights RUN_BALANCED RUN_PLAIN --member random_forest

Two runs on the same data that differ in `class_weight` of the member alone, 1 and 0. "undone" multiplies its
probabilities by the class shares of the rows that each fold was trained on, and divides them by their sum.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from gradus_live.statistics import stretch_test

__all__ = ["main"]


def main() -> int:
    """Print log losses of each level's vote, and how sure the differences are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("balanced", type=Path)
    parser.add_argument("plain", type=Path)
    parser.add_argument("--member", default="random_forest")
    args = parser.parse_args()
    metadata = json.loads((args.balanced / "training_metadata.json").read_text())
    with np.load(args.balanced / "oof.npz") as both, np.load(args.plain / "oof.npz") as plain:
        shares = _shares(metadata, both["labels"], both["timestamps"])
        for level in metadata["run"]["levels"]:
            votes = _votes(level, args.member, both, plain, shares)
            known = ~np.isnan(votes["balanced"][:, 0])
            labels = both["labels"][known]
            gains = {
                k: np.log(np.clip(v[known][np.arange(len(labels)), labels], 1e-12, 1))
                for k, v in votes.items()
            }
            figures = ", ".join(f"{name} {-gain.mean():.4f}" for name, gain in gains.items())
            tests = ", ".join(
                f"{a} better than {b}: p {stretch_test(gains[a] - gains[b]).p:.3f}"
                for a, b in (("undone", "balanced"), ("plain", "balanced"), ("undone", "plain"))
            )
            print(f"{level['name']}, {len(labels):,} rows: {figures}; {tests}")
    return 0


def _log_of_truth(vote: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.clip(vote[np.arange(len(labels)), labels], 1e-12, 1)))


def _shares(metadata: dict[str, Any], labels: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """Class shares of the training rows of the fold that each row was tested in, float64 [N, C]."""
    shares = np.full((len(labels), len(metadata["run"]["classes"])), np.nan)
    for fold in metadata["training"]["details"]["split"]["folds"]:
        end, first, last = (
            datetime.fromisoformat(fold[k]).timestamp() * 1000
            for k in ("train_end", "test_start", "test_end")
        )
        counts = np.bincount(labels[stamps <= end], minlength=shares.shape[1])
        shares[(stamps >= first) & (stamps <= last)] = counts / counts.sum()
    return shares


def _votes(
    level: dict[str, Any], member: str, both: Any, plain: Any, shares: np.ndarray
) -> dict[str, np.ndarray]:
    """The vote with the member as it is, with its weights undone, and as the other run has it."""
    name, votes = level["name"], {}
    undone = both[f"{name}.{member}"] * shares
    undone /= undone.sum(axis=1, keepdims=True)
    for kind in ("balanced", "undone", "plain"):
        total = np.zeros_like(undone)
        for m in level["members"]:
            said = (plain if kind == "plain" else both)[f"{name}.{m['name']}"]
            total += m["weight"] * (undone if kind == "undone" and m["name"] == member else said)
        votes[kind] = total / sum(m["weight"] for m in level["members"])
    return votes


if __name__ == "__main__":
    raise SystemExit(main())
