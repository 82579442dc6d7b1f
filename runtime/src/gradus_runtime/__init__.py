"""gradus runtime: serves compiled tree ensembles with level fallback, on onnxruntime and numpy alone.

Example:
    from gradus_runtime import Predictor

    bot = Predictor.open("artifacts/btc-jpy")
    decision = bot.decide({"close": 15_000_000.0, ...})
    print(decision.action, decision.confidence, decision.level, decision.reasons)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from gradus_runtime import telemetry as telemetry

if TYPE_CHECKING:
    from gradus_runtime.decision import Decision, Predictions
    from gradus_runtime.errors import (
        CheckError,
        ConfigError,
        DataError,
        EnvironmentFailedError,
        GradusError,
        IntegrityError,
        ManifestError,
        StoreError,
        UsageError,
    )
    from gradus_runtime.monitoring.drift_report import DriftReport
    from gradus_runtime.monitoring.health import Health, Info
    from gradus_runtime.predictor import Predictor
    from gradus_runtime.store import Store, open_artifact

__all__ = [
    "CheckError",
    "ConfigError",
    "DataError",
    "Decision",
    "DriftReport",
    "EnvironmentFailedError",
    "GradusError",
    "Health",
    "Info",
    "IntegrityError",
    "ManifestError",
    "Predictions",
    "Predictor",
    "Store",
    "StoreError",
    "UsageError",
    "__version__",
    "open_artifact",
]

__version__ = "0.1.0"

_ERRORS = (
    "CheckError",
    "ConfigError",
    "DataError",
    "EnvironmentFailedError",
    "GradusError",
    "IntegrityError",
    "ManifestError",
    "StoreError",
    "UsageError",
)
_HOMES = {
    **dict.fromkeys(_ERRORS, "gradus_runtime.errors"),
    "Decision": "gradus_runtime.decision",
    "DriftReport": "gradus_runtime.monitoring.drift_report",
    "Health": "gradus_runtime.monitoring.health",
    "Info": "gradus_runtime.monitoring.health",
    "Predictions": "gradus_runtime.decision",
    "Predictor": "gradus_runtime.predictor",
    "Store": "gradus_runtime.store",
    "open_artifact": "gradus_runtime.store",
}


def __getattr__(name: str) -> Any:
    """Import what serves when it is first asked for: the contracts and the commands do without."""
    if name in _HOMES:
        if os.name != "posix":
            raise ImportError(
                f"gradus_runtime.{name} needs a POSIX system (Linux, macOS, or Windows with WSL), "
                f"but this is {os.name!r}"
            )
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
