"""gradus convert: compiles tree models to exact, compact ONNX files and artifacts, and publishes those.

Example:
    import gradus_convert

    compiled = gradus_convert.compile(model)  # a fitted estimator, a Booster, or a path
    compiled.save("small.onnx")
    compiled.predict(X)

Example:
    from pathlib import Path
    from gradus_convert import convert_run, load_config

    config = load_config(Path("config/artifact.toml"))
    done = convert_run(Path("runs/current"), Path("artifacts/btc-jpy"), config=config, pin=True)
    print(done.manifest.version, done.path)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradus_runtime as _runtime  # noqa: F401  before onnxruntime, whose telemetry it switches off

if TYPE_CHECKING:
    from gradus_convert.compilation.door import compile_model as compile  # noqa: A004  the field's own word
    from gradus_convert.compilation.model import CompiledModel
    from gradus_convert.config import ArtifactConfig
    from gradus_convert.config import load as load_config
    from gradus_convert.conversion import Conversion, convert_run
    from gradus_convert.errors import InexactModelError, ParityError
    from gradus_convert.publishing.export import export_zip, import_artifact
    from gradus_convert.publishing.publish import publish_version

__all__ = [
    "ArtifactConfig",
    "CompiledModel",
    "Conversion",
    "InexactModelError",
    "ParityError",
    "__version__",
    "compile",
    "convert_run",
    "export_zip",
    "import_artifact",
    "load_config",
    "publish_version",
]

__version__ = "0.1.0"

_HOMES = {
    "ArtifactConfig": ("gradus_convert.config", "ArtifactConfig"),
    "Conversion": ("gradus_convert.conversion", "Conversion"),
    "InexactModelError": ("gradus_convert.errors", "InexactModelError"),
    "ParityError": ("gradus_convert.errors", "ParityError"),
    "CompiledModel": ("gradus_convert.compilation.model", "CompiledModel"),
    "compile": ("gradus_convert.compilation.door", "compile_model"),
    "convert_run": ("gradus_convert.conversion", "convert_run"),
    "export_zip": ("gradus_convert.publishing.export", "export_zip"),
    "import_artifact": ("gradus_convert.publishing.export", "import_artifact"),
    "load_config": ("gradus_convert.config", "load"),
    "publish_version": ("gradus_convert.publishing.publish", "publish_version"),
}


def __getattr__(name: str) -> Any:
    """Import what is offered when it is first asked for."""
    if name in _HOMES:
        from importlib import import_module

        module, attribute = _HOMES[name]
        value = getattr(import_module(module), attribute)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
