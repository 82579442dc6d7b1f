"""A pipeline, or a model on float64 rows, split into what stands before the trees and the trees."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.compilation.facts import columns
from gradus_convert.errors import InexactModelError
from gradus_convert.preparation.float64 import ranked
from gradus_convert.preparation.front import PipelineFront
from gradus_convert.preparation.pipeline_steps import TextColumns, columns_of_block, width
from gradus_convert.preparation.sklearn_steps import Raw, as_numbers, read_step
from gradus_convert.readers import NativeModel
from gradus_runtime.errors import EnvironmentFailedError
from gradus_runtime.wording import counted

__all__ = ["PipelineSource", "is_pipeline", "prepare"]


def is_pipeline(model: Any) -> bool:
    """Whether a model is a pipeline whose last step predicts."""
    kind = type(model)
    return kind.__name__.endswith("Pipeline") and hasattr(model, "steps") and len(model.steps) > 0


@dataclass(frozen=True, slots=True, eq=False)
class PipelineSource:
    """The user's model, as the rows see it.

    Attributes:
        pipeline: The whole; None for a model by itself.
        final: Its last step, or the model, as a reader read it.
        trees: The same as the walk looks at its rows: in ranks where it reads float64.
        front: What stands before its trees.
        names: Of the columns of the user's rows, where they are known.
        n_columns: How many.
        missing: Columns whose values may be missing.
        gap: What stands for a missing text: None or NaN, as its steps ask for.
    """

    pipeline: Any
    final: NativeModel
    trees: NativeModel
    front: PipelineFront
    names: tuple[str, ...] | None
    n_columns: int
    missing: tuple[int, ...] = ()
    gap: object = None

    @property
    def infinite(self) -> tuple[int, ...]:
        """Columns that may be infinite: those of a model by itself that takes infinities."""
        return columns(self.final.infinite) if self.pipeline is None else ()

    def facts(self) -> dict[str, Any]:
        """Return what differs from the facts of the last step."""
        return {
            "feature_names": self.names,
            "n_features": self.n_columns,
            "numbers": self.front.numbers,
            "texts": self.front.texts,
            "categories": self.final.categories if self.pipeline is None else None,
            "missing": tuple(i in self.missing for i in range(self.n_columns)),
            "infinite": tuple(i in self.infinite for i in range(self.n_columns)),
        }

    def metadata(self) -> dict[str, str]:
        """Return the names of the inputs' columns, for the file."""
        if self.names is None:
            return {}
        ends = {"gradus.features": self.front.numbers, "gradus.texts": self.front.texts}
        return {key: json.dumps([self.names[i] for i in columns]) for key, columns in ends.items() if columns}

    def table(self, columns: dict[int, npt.NDArray[Any]]) -> Any:
        """Return rows as the pipeline takes them: by name where it was fitted with names.

        Args:
            columns: By column of the user's rows; others are 0.

        Raises:
            EnvironmentFailedError: pandas is not installed.
        """
        count = len(next(iter(columns.values())))
        filled = [columns.get(i, np.zeros(count)) for i in range(self.n_columns)]
        if self.pipeline is None or self.names is None:
            if any(c.dtype == object for c in filled):
                return np.stack([c.astype(object) for c in filled], axis=1)
            return np.stack(filled, axis=1)
        try:
            import pandas
        except ImportError:
            raise EnvironmentFailedError(
                "pandas must be installed to compile a pipeline that was fitted with names",
                place="model",
                hint="pip install pandas.",
            ) from None
        return pandas.DataFrame(dict(zip(self.names, filled, strict=True)))

    def before_trees(self, table: Any) -> npt.NDArray[np.float64]:
        """Return what the pipeline itself gives its last step: float64 [N, F]."""
        rows = table if self.pipeline is None else self.pipeline[:-1].transform(table)
        if hasattr(rows, "toarray"):
            rows = rows.toarray()
        return np.asarray(rows, np.float64)


def prepare(pipeline: Any, final: NativeModel, place: str) -> tuple[NativeModel, PipelineSource]:
    """Return the trees as they look at the rows of the walk, and what stands before them.

    Raises:
        InexactModelError: A step has no exact form.
    """
    inner, ranks = ranked(final, place)
    n_features = final.lowered.n_features
    if pipeline is None:
        front = PipelineFront(None, tuple(range(n_features)), (), ranks, n_features)
        return inner, _with_missing(
            PipelineSource(None, final, inner, front, final.feature_names, n_features)
        )
    n_columns = int(pipeline.n_features_in_)
    names = getattr(pipeline, "feature_names_in_", None)
    block: Any = Raw(tuple(range(n_columns)))
    for name, step in pipeline.steps[:-1]:
        block = read_step(step, block, f"{place}: {name}")
    block = as_numbers(block)
    if isinstance(block, TextColumns):
        raise InexactModelError("texts must be encoded before the trees", place=place)
    if width(block) != n_features:
        raise InexactModelError(
            f"the steps must give the {counted(n_features, 'column')} of the trees",
            place=place,
            value=width(block),
        )
    numbers, texts = columns_of_block(block)
    if numbers & texts:
        rule = "a column must be of numbers or of texts, not both"
        raise InexactModelError(rule, place=place, value=sorted(numbers & texts))
    front = PipelineFront(block, tuple(sorted(numbers)), tuple(sorted(texts)), ranks, n_features)
    known = None if names is None else tuple(str(n) for n in names)
    return inner, _with_missing(PipelineSource(pipeline, final, inner, front, known, n_columns))


def _with_missing(source: PipelineSource) -> PipelineSource:
    """Find the columns whose values may be missing: there the model answers, and elsewhere it raises."""
    from gradus_convert.compilation.pipeline_proof import is_answered, plain_row

    row = plain_row(source)
    numbers = [i for i in source.front.numbers if is_answered(source, row | {i: np.array([np.nan])})]
    texts: list[int] = []
    gap: object = None
    for candidate in (np.nan, None):
        allowed = [
            i for i in source.front.texts if is_answered(source, row | {i: np.array([candidate], object)})
        ]
        if len(allowed) > len(texts):
            texts, gap = allowed, candidate
    return replace(source, missing=(*numbers, *texts), gap=gap)
