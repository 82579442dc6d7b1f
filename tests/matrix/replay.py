"""Score the cases with whatever onnxruntime is installed. A script; needs onnxruntime and numpy alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort


def score(path: Path, in_place: bool) -> dict[str, object]:
    """Largest difference from the expected answers, over a batch and single rows; or the error."""
    data = np.load(path.with_suffix(".npz"))
    try:
        opened = _as_the_runtime(path) if in_place else None  # holds the tables
        many, one = [o.session for o in opened] if opened else [_session(path)] * 2
        name, output = many.get_inputs()[0].name, many.get_outputs()[0].name
        batch = many.run([output], {name: data["rows"]})[0]
        single = [one.run([output], {name: row[None]})[0][0] for row in data["rows"][:20]]
    except Exception as e:
        return {"error": str(e).splitlines()[0][:200]}
    worst = max(np.abs(batch - data["expected"]).max(), np.abs(single - data["expected"][:20]).max())
    return {"difference": float(worst)}


def _session(path: Path) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _as_the_runtime(path: Path) -> list[Any]:
    """Open for tables and for single rows, with constants where they lie, small as they are."""
    from gradus_runtime.sessions import shared_constants
    from gradus_runtime.sessions.onnx_session import open_session

    shared_constants.LARGE_CONSTANT = 200
    model = path.read_bytes()
    opened = [open_session(model, "compact", 1, one_row=single) for single in (False, True)]
    if not opened[0].tables:
        raise RuntimeError("onnxruntime copies the tables")
    is_level = opened[0].session.get_outputs()[0].name == "probabilities"
    if b"one_row" in model and is_level and not opened[1].one_row:
        raise RuntimeError("onnxruntime refuses the graph for single rows")
    return opened


def golden(folders: list[str]) -> dict[str, object]:
    """Serve the golden rows of whole artifacts by the runtime, from every level."""
    from gradus_runtime import Predictor

    results: dict[str, object] = {}
    for folder in folders:
        data = np.load(Path(folder) / "golden.npz")
        try:
            bot = Predictor.open(folder, preload=True, max_age_days=1e6)
            answers = bot.predict_proba(dict(zip(bot.feature_names_in_, data["features"].T, strict=True)))
            first = next(n for n in data.files if n != "features")
            ready = {level.name: level.state for level in bot.health().levels}
            worst = float(np.nanmax(np.abs(answers - data[first])))
            results["/".join(Path(folder).parts[-2:])] = {"difference": worst, "levels": ready}
        except Exception as e:
            results["/".join(Path(folder).parts[-2:])] = {"error": f"{type(e).__name__}: {e}"[:200]}
    return results


if __name__ == "__main__":
    paths = sorted(Path(sys.argv[1]).glob("*.onnx"))
    found = {p.stem: score(p, in_place=False) for p in paths}
    found |= {
        f"{p.stem}, in place": score(p, in_place=True) for p in paths if not p.stem.startswith("treeops")
    }
    print(json.dumps({"onnxruntime": ort.__version__, "cases": found, "golden": golden(sys.argv[2:])}))
