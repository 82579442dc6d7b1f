"""skops files: audited against a list, then read. Nothing else is constructed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradus_convert.errors import InexactModelError
from gradus_runtime.errors import DataError

__all__ = ["load"]

# What fitted classifiers hold beyond the types that skops trusts by itself. They are data.
_ALLOWED = frozenset(
    {
        "numpy.dtype",
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    }
)


def load(path: Path) -> Any:
    """Return the estimator of a skops file.

    Raises:
        DataError: It is no skops file.
        InexactModelError: It holds a type that no reader needs.
    """
    import zipfile

    import skops.io

    try:
        unknown = [t for t in skops.io.get_untrusted_types(file=path) if t not in _ALLOWED]
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError) as e:
        raise DataError("a scikit-learn model must be a skops file", place=str(path), cause=str(e)) from None
    if unknown:
        raise InexactModelError(
            "a model file must hold scikit-learn's own types alone",
            place=str(path),
            value=", ".join(sorted(unknown)),
            hint="Custom steps have no exact form: move them into the features.",
        )
    return skops.io.load(path, trusted=sorted(_ALLOWED))
