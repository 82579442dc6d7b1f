"""Which package brings which command: for commands that are not here, and for `gradus --version`."""

from __future__ import annotations

import difflib
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distributions, version

from gradus_runtime.cli.overview import OLD_NAMES
from gradus_runtime.errors import EnvironmentFailedError, GradusError, UsageError

__all__ = ["COMMANDS_OF", "unknown_command", "versions"]

COMMANDS_OF = {
    "gradus-convert": (
        "compact",
        "compile",
        "convert",
        "diff",
        "export",
        "gc",
        "import",
        "import-bundle",
        "publish",
        "validate",
        "wheel",
    ),
    "gradus-live": ("live", "metrics", "outcomes", "watch"),
    "gradus-train": ("features", "init", "report", "simulate", "train", "tune", "walk"),
}
"""The commands that the other packages add; a test compares them with the packages' entry points."""

_MEANT = {
    "backtest": ("walk",),
    "build": ("convert",),
    "check": ("validate", "verify"),
    "evaluate": ("report", "live"),
    "fit": ("train",),
    "run": ("decide", "predict"),
    "score": ("predict",),
    "serve": ("decide", "predict"),
    "show": ("info", "list"),
    "status": ("health", "info"),
    "version": ("--version", "list"),
    "versions": ("list", "--version"),
}
"""What people type who know other tools, and what they will find here."""
_INSTALL = {
    "gradus-convert": "pip install ./runtime ./convert",
    "gradus-live": "pip install ./runtime ./live",
    "gradus-train": "pip install ./runtime ./live ./train",
}


def unknown_command(name: str, known: Iterable[str]) -> GradusError:
    """Return the error for a command that is not installed, or that there is none of.

    Args:
        name: As typed.
        known: The commands that are installed.
    """
    package_of = {command: package for package, names in COMMANDS_OF.items() for command in names}
    if name in package_of:
        package = package_of[name]
        return EnvironmentFailedError(
            f"the command is part of {package}, which must be installed",
            hint=f"In a clone of gradus: {_INSTALL[package]}.",
        )
    meant = list(_MEANT.get(name.lower(), ()))
    if not meant:
        near = difflib.get_close_matches(name.lower(), sorted({*known, *package_of}), n=3)
        meant = list(dict.fromkeys(OLD_NAMES.get(command, command) for command in near))
    hint = f"Did you mean {' or '.join(meant)}?" if meant else "`gradus --help` lists the commands."
    return UsageError("a command must be known", value=name, hint=hint)


def versions() -> dict[str, str]:
    """Return the versions of the installed gradus packages, of onnxruntime, and of Python."""
    all_ = {d.name.lower().replace("_", "-"): d.version for d in distributions() if d.name}
    found = {name: all_[name] for name in sorted(all_) if name.startswith("gradus-")}
    try:
        found["onnxruntime"] = version("onnxruntime")
    except PackageNotFoundError:  # another distribution brings the module, such as onnxruntime-gpu
        import onnxruntime

        found["onnxruntime"] = onnxruntime.__version__
    return found | {"python": platform.python_version()}
