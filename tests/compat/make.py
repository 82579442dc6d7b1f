"""Made what is in this folder, once: `python tests/compat/make.py NEW_FOLDER`.

What was released is never made again: a new format version gets a folder of its own beside the old ones.
"""

from __future__ import annotations

import json
import pickle
import shutil
import sys
import tempfile
from pathlib import Path

import lightgbm
from tests.support.legacy_models import NAMES, ProductionEnsemble, ensemble, rows, table

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.store import open_artifact

VERSION = "2026.11.21"


def make(folder: Path) -> None:
    """Import two small ensembles as an artifact, and note what it answers."""
    X, y = rows()
    basic = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=5, verbose=-1, n_jobs=1).fit(X[:, :3], y)
    levels = {
        "level1": ensemble(),
        "level2": ProductionEnsemble({"lightgbm": basic}, {"lightgbm": 1.0}, list(NAMES[:3])),
    }
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        table(X).to_csv(work / "rows.csv", index=False)
        options = ["--store", str(work / "compat"), "--version", VERSION, "--classes", "SELL,HOLD,BUY"]
        for level, value in levels.items():
            (work / f"{level}.pkl").write_bytes(pickle.dumps(value))
            options += ["--level", f"{level}={work / level}.pkl"]
        if main(["import", *options, "--rows", str(work / "rows.csv"), "--data-end", "2026-11-20"]):
            raise SystemExit("the import failed")
        shutil.copytree(work / "compat" / "versions" / VERSION, folder / "artifact")
    (folder / "artifact" / "build.json").unlink()
    note(folder)


def note(folder: Path) -> None:
    """Write `expected.json`: the digest, and the decisions on four rows."""
    X, _ = rows(seed=5)
    samples = [dict(zip(NAMES, row.tolist(), strict=True)) for row in X[:4]]
    samples[2]["dxy"] = None
    samples[3] = {"close": 1.0}
    with open_artifact(folder / "artifact") as artifact, Predictor.open(folder / "artifact") as bot:
        decisions = [bot.decide(row) for row in samples]
        expected = {
            "digest": artifact.digest,
            "features": list(artifact.manifest.feature_names),
            "decisions": [
                {"row": r, "action": d.action, "level": d.level, "probabilities": dict(d.probabilities)}
                for r, d in zip(samples, decisions, strict=True)
            ],
        }
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
