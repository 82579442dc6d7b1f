"""The committed artifacts of `tests/golden`, and rows for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from gradus_runtime.store import Store

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
PAIR = GOLDEN / "pair" / "2026.11.21"
TRIO = GOLDEN / "trio" / "2026.11.21"
OLDER_TRIO = GOLDEN / "trio" / "2026.11.14"

TRIO_NAMES = ("close", "volume", "rsi", "atr", "breakout", "reversal", "usd_jpy", "vix", "dxy")


def golden_rows(folder: Path = TRIO) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an artifact's golden.npz: `features`, and the probabilities by level."""
    with np.load(folder / "golden.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def full_row(index: int = 0, folder: Path = TRIO, names: tuple[str, ...] = TRIO_NAMES) -> dict[str, Any]:
    """A golden row as a mapping."""
    return dict(zip(names, golden_rows(folder)["features"][index].tolist(), strict=True))


def trio_store(path: Path, *, pinned: str = "2026.11.21") -> Store:
    """A store with both versions of `trio`, one of them pinned."""
    for version in (OLDER_TRIO, TRIO):
        shutil.copytree(version, path / "versions" / version.name)
    store = Store(path)
    store.pin(pinned, actor="test")
    return store
