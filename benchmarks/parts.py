"""Parts of a reference ensemble as run folders of their own: one level, or one member."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from gradus_runtime.contracts import run_folder

__all__ = ["part"]


def part(run: Path, folder: Path, *, levels: tuple[str, ...], members: tuple[str, ...] = ()) -> Path:
    """Copy some levels of a run, with some of their members (all by default), into a run folder of its own.

    Weights are scaled to sum to 1 again. An existing folder is taken as it is.

    Returns:
        `folder`.
    """
    if (folder / run_folder.METADATA).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    whole = run_folder.load(run)
    kept = tuple(_level(level, members) for level in whole.levels if level.name in levels)
    for file in ("feature_order.json", "holdout.npz", *(m.file for s in kept for m in s.members)):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / file, folder / file)
    (folder / run_folder.METADATA).write_bytes(run_folder.dump(dataclasses.replace(whole, levels=kept), {}))
    return folder


def _level(level: run_folder.RunLevel, members: tuple[str, ...]) -> run_folder.RunLevel:
    kept = [m for m in level.members if not members or m.name in members]
    total = sum(m.weight for m in kept)
    return dataclasses.replace(
        level, members=tuple(dataclasses.replace(m, weight=m.weight / total) for m in kept)
    )
