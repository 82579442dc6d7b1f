"""The committed artifacts of `tests/golden`, and rows for them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradus_runtime.contracts.manifest import Drift, FeatureDrift, FileEntry, Manifest, parse
from gradus_runtime.store import Store, seal

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
PAIR = GOLDEN / "pair" / "2026.11.21"
TRIO = GOLDEN / "trio" / "2026.11.21"
GAP = GOLDEN / "gap" / "2026.11.21"
OLDER_TRIO = GOLDEN / "trio" / "2026.11.14"

TRIO_NAMES = ("close", "volume", "rsi", "atr", "breakout", "reversal", "usd_jpy", "vix", "dxy")


@functools.cache
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


def variant(
    source: Path,
    folder: Path,
    *,
    files: Mapping[str, bytes] | None = None,
    change: Callable[[Manifest], Manifest] = lambda manifest: manifest,
) -> Path:
    """A copy of a version with other files or another manifest, its digests in order again."""
    manifest = change(parse((source / "manifest.json").read_bytes()))
    contents = {entry.name: (source / entry.name).read_bytes() for entry in manifest.files}
    contents |= files or {}
    entries = tuple(
        FileEntry(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in contents.items()
    )
    manifest = dataclasses.replace(manifest, files=entries)
    folder.mkdir(parents=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    (folder / "manifest.sha256").write_bytes(seal(manifest.digest()))
    return folder


def changed(**fields: Any) -> Callable[[Manifest], Manifest]:
    """A change of manifest fields, for `variant`."""
    return lambda manifest: dataclasses.replace(manifest, **fields)


def npz_bytes(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """The bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own options
    return buffer.getvalue()


def with_alarms(alarm: float = 0.3, *, rows_per_day: int = 20, **why: str) -> Callable[[Manifest], Manifest]:
    """A change for `variant`: every feature alarms above a distance; `why` names those that do not."""

    def change(manifest: Manifest) -> Manifest:
        features = tuple(
            FeatureDrift(f.name, (), None, None, why[f.name])
            if f.name in why
            else FeatureDrift(f.name, (alarm,) * 7, 1.0, 0.5, None)
            for f in manifest.features
        )
        return dataclasses.replace(manifest, drift=Drift(rows_per_day, 9, features))

    return change
