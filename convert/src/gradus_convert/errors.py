"""Errors of conversion, beside those of the runtime."""

from __future__ import annotations

from gradus_runtime.errors import CheckError

__all__ = ["InexactModelError", "ParityError"]


class InexactModelError(CheckError):
    """The model has no exact form in gradus: train it otherwise, or leave it out."""


class ParityError(CheckError):
    """The compiled graph and the native library disagree: nothing is published."""
