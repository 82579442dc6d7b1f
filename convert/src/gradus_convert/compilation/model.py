"""A compiled model: what `gradus_convert.compile` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from gradus_convert.compaction.probes import Agreement
from gradus_convert.compilation.facts import Facts
from gradus_convert.compilation.given_rows import read_given_rows, read_mixed
from gradus_convert.graphs.values import VALUES
from gradus_convert.parity.model_proof import ModelProof
from gradus_runtime.contracts.graph import INPUT, LABEL, PROBABILITIES
from gradus_runtime.errors import DataError, UsageError
from gradus_runtime.sessions.onnx_session import open_session
from gradus_runtime.store.whole_file import write_whole

__all__ = ["CompiledModel"]

_BLOCK = {"compact": 96}
_LARGE_BLOCK = 4096


class CompiledModel:
    """A model as one ONNX file, and what it answers.

    Example:
        compiled = gradus_convert.compile(model)
        compiled.save("small.onnx")
        compiled.predict(X)

    Attributes:
        model_bytes: The ONNX file. Input `features` float32 [N, F]; of a pipeline float64, and `texts` where
            it takes any. A model of classes gives `probabilities`
            float32 [N, C] and `label` [N], as the user named the classes; one of values gives `values`
            float32 [N, K].
        encoding: Of its trees.
        bits: "exact" where a row has the same 32 bits everywhere.
        proof: What was compared with the library, and how it agreed; None with proof="off".
        facts: What it takes and answers.
    """

    def __init__(
        self,
        model_bytes: bytes,
        facts: Facts,
        *,
        encoding: str,
        bits: str,
        proof: ModelProof | Agreement | None,
        margin: Callable[[], bytes] | None,
    ) -> None:
        self.model_bytes = model_bytes
        self.facts = facts
        self.encoding = encoding
        self.bits = bits
        self.proof = proof
        self._margin = margin
        self._sessions: dict[str, Any] = {}

    @property
    def model(self) -> onnx.ModelProto:
        """The graph, parsed anew."""
        return onnx.load_model_from_string(self.model_bytes)

    def save(self, path: str | Path) -> None:
        """Write the ONNX file: all of it or nothing.

        Raises:
            EnvironmentFailedError: The disk failed.
        """
        write_whole(Path(path), self.model_bytes)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return what the model's own `predict` gives.

        Labels [N] of a classifier, values [N] (or [N, K]) of a regressor, and of a Booster the probability of
        the second of two classes [N], or those of all [N, C].

        Args:
            X: An array [N, F] or a list of rows; or a dataframe, whose columns are taken by name where the
                model knows names. Its columns of categories are numbered as the model's file says.

        Raises:
            DataError: The rows do not fit the model.
        """
        kind = self.facts.predicts
        if kind == "labels":
            (label,) = self._run(X, LABEL)
            return label.astype(str) if label.dtype == object else label
        (said,) = self._run(X, VALUES if kind == "values" else PROBABILITIES)
        if kind == "positive":
            return said[:, 1]
        return said[:, 0] if kind == "values" and said.shape[1] == 1 else said

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Return the probability of each class, float32 [N, C].

        Raises:
            DataError: As `predict`.
            UsageError: The model has no classes.
        """
        if self.facts.task != "classes":
            raise UsageError("a model must have classes", place="predict_proba", value=self.facts.task)
        (said,) = self._run(X, PROBABILITIES)
        return said

    def predict_margin(self, X: Any) -> npt.NDArray[np.float32]:
        """Return the library's raw scores, before any link: float32 [N], or [N, K] where there are several.

        Raises:
            DataError: As `predict`.
            UsageError: The model has no raw scores: a forest that averages probabilities, say.
        """
        if "margin" not in self._sessions:
            graph = self.margin_bytes()
            if graph is None:
                raise UsageError(
                    "a model must have raw scores", place="predict_margin", value=self.facts.source
                )
            self._sessions["margin"] = open_session(graph, "compact", 1).session
        (said,) = self._blocks(self._sessions["margin"], self._feed(X), [VALUES], _BLOCK["compact"])
        return said[:, 0] if said.shape[1] == 1 else said

    def margin_bytes(self) -> bytes | None:
        """Return the graph of `predict_margin`, whose output is `values` float32 [N, K]; None without one."""
        return None if self._margin is None else self._margin()

    def _run(self, X: Any, *outputs: str) -> list[npt.NDArray[Any]]:
        if "model" not in self._sessions:
            self._sessions["model"] = open_session(self.model_bytes, self.encoding, 1).session
        block = _BLOCK.get(self.encoding, _LARGE_BLOCK)
        return self._blocks(self._sessions["model"], self._feed(X), list(outputs), block)

    def _feed(self, X: Any) -> dict[str, npt.NDArray[Any]]:
        if self.facts.numbers is not None:
            return read_mixed(X, self.facts)
        rows = read_given_rows(X, self.facts.feature_names, self.facts.n_features, self.facts.categories)
        bad = ~np.isfinite(rows)
        if not bad.any():
            return {INPUT: rows}
        for test, able in ((np.isnan, self.facts.missing), (np.isinf, self.facts.infinite)):
            if able is not None:
                bad &= ~(test(rows) & np.array(able))
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            value = float(rows[row, column])
            raise DataError(
                "rows must be finite where the model takes nothing else",
                place=f"X[{row}, {column}]",
                value=value,
                hint=f"This model takes no {'NaN' if np.isnan(value) else 'infinity'} there.",
            )
        return {INPUT: rows}

    @staticmethod
    def _blocks(
        session: Any, feed: Mapping[str, npt.NDArray[Any]], outputs: list[str], block: int
    ) -> list[npt.NDArray[Any]]:
        starts = range(0, max(1, len(next(iter(feed.values())))), block)
        parts = [session.run(outputs, {k: v[i : i + block] for k, v in feed.items()}) for i in starts]
        return [np.concatenate(p) for p in zip(*parts, strict=True)]
