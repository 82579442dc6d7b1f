"""What an import is asked for, as a value that can be sent to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from gradus_convert.graphs.types import Encoding
from gradus_convert.pickles.pickle_files import MAX_BYTES
from gradus_runtime.contracts import codec
from gradus_runtime.contracts.manifest import DecisionPolicy, RuntimeRequirement

__all__ = ["RUNTIME", "ImportRequest", "Rounds", "from_json", "to_json"]

RUNTIME = RuntimeRequirement("1.20.0", ("1.26.0",))

Rounds = Literal["best", "all"]


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What is imported, and what the files cannot say.

    Attributes:
        name: Of the artifact.
        version: Of the artifact.
        files: By level, best first; the empty name is the level that a single ensemble turns out to be.
        weights: By member, instead of those in the files.
        classes: `--classes`.
        feature_order: A `feature_order.json`.
        decision: How probabilities become an action; None for a derived one.
        fallback_action: For a derived decision.
        runtime: Which onnxruntime may serve.
        aliases: Other names of levels, beside the files' own.
        rows: Rows of the training data, if there are any: for ranges, drift, proof and golden rows.
        data_end: End of the training data, if known: ISO 8601.
        encoding: Of the graphs.
        any_version: Take scikit-learn models that another minor version wrote.
        max_bytes: Bound of each file.
        drop: Members to leave out; the weights of the others are divided by their sum.
        rounds: Of early-stopped boosters, "best" or "all"; None for what each library's own `predict` takes.
        rename_features: Turn names that an artifact cannot have into such as it can.
    """

    name: str
    version: str
    files: Mapping[str, tuple[Path, ...]]
    weights: Mapping[str, float] | None = None
    classes: str | None = None
    feature_order: Path | None = None
    decision: DecisionPolicy | None = None
    fallback_action: str | None = None
    runtime: RuntimeRequirement = RUNTIME
    aliases: Mapping[str, str] = field(default_factory=dict)
    rows: Path | None = None
    data_end: str | None = None
    encoding: Encoding = "compact"
    any_version: bool = False
    max_bytes: int = MAX_BYTES
    drop: tuple[str, ...] = ()
    rounds: Rounds | None = None
    rename_features: bool = False


def to_json(request: ImportRequest) -> dict[str, Any]:
    """Return a request as a JSON value; paths are made absolute."""
    value = {f.name: getattr(request, f.name) for f in fields(request)}
    value["files"] = {level: [str(p.absolute()) for p in paths] for level, paths in request.files.items()}
    for key in ("feature_order", "rows"):
        value[key] = None if value[key] is None else str(value[key].absolute())
    for key in ("decision", "runtime"):
        value[key] = codec.encode(value[key])
    return {**value, "aliases": dict(request.aliases), "drop": list(request.drop)}


def from_json(value: Mapping[str, Any]) -> ImportRequest:
    """Return the request that `to_json` wrote."""
    known = dict(value)
    known["files"] = {level: tuple(map(Path, paths)) for level, paths in value["files"].items()}
    for key in ("feature_order", "rows"):
        known[key] = None if value[key] is None else Path(value[key])
    if value["decision"] is not None:
        known["decision"] = codec.decode(DecisionPolicy, value["decision"], place="decision")
    known["runtime"] = codec.decode(RuntimeRequirement, value["runtime"], place="runtime")
    return ImportRequest(**{**known, "drop": tuple(value["drop"])})
