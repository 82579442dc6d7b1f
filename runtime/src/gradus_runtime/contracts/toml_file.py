"""A TOML file read as a configuration: bounded, UTF-8, one wording of what can be wrong with it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from gradus_runtime.errors import ConfigError

__all__ = ["read"]

MAX_BYTES = 1 << 20


def read(path: Path, what: str) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Args:
        path: The file.
        what: How errors name it: "a training configuration", "costs".

    Raises:
        ConfigError: It is missing, unreadable, above 1 MiB, or not TOML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as e:
        raise ConfigError(f"{what} must be readable", place=str(path), cause=e.strerror or str(e)) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{what} must have at most {MAX_BYTES} bytes", place=str(path))
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as e:
        raise ConfigError(f"{what} must be TOML", place=str(path), cause=str(e)) from None
