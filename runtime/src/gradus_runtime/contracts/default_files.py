"""The default configuration: files of the repository's `config/`, in the wheels of train and convert, too.

There is one copy of each file, in `config/`; each package's `hatch_build.py` includes those that it names. An
editable install finds them where they are.
"""

from __future__ import annotations

import stat
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from gradus_runtime.errors import ConfigError, EnvironmentFailedError, let_signals_through

__all__ = ["FOLDER", "chosen", "default_file"]

FOLDER = Path("config")
"""Where commands look for a configuration that was not named."""

_PACKAGED = "default_config"


def default_file(package: str, name: str) -> Path:
    """Return the path of a file of a package's default configuration.

    Args:
        package: Name of an installed package, such as "gradus_train".
        name: Of the file.

    Raises:
        EnvironmentFailedError: The installed package does not bring it.
    """
    installed = Path(str(resources.files(package)))
    in_clone = installed.parent.parent.parent / FOLDER / name  # PACKAGE/src/gradus_PACKAGE
    for path in (installed / _PACKAGED / name, in_clone):
        if path.is_file():
            return path
    raise EnvironmentFailedError(
        "the installed package must include its default configuration",
        place=str(installed),
        value=name,
        hint=f"Reinstall {package.replace('_', '-')}.",
    )


def chosen(package: str, files: Sequence[tuple[str, Path | None]]) -> tuple[Path, ...]:
    """Return the files that a command is to read; where a default is used, say so on standard error.

    Args:
        package: Whose default configuration is used.
        files: Name of each file, and the path that the user gave; None: `config/NAME` where it exists, else
            the package's default.

    Raises:
        EnvironmentFailedError: The installed package does not bring a default.
        ConfigError: `config/NAME` is there and is not a file.
    """
    paths, absent = [], []
    for name, given in files:
        here = FOLDER / name
        if given is None and not _is_there(here):
            absent.append(str(here))
            given = default_file(package, name)
        paths.append(given or here)
    if absent:
        whose = package.replace("_", "-")
        print(f"No {', '.join(absent)} here: the defaults of {whose} are used", file=sys.stderr)
    return tuple(paths)


def _is_there(path: Path) -> bool:
    try:
        mode = path.stat().st_mode  # `exists` would say no to a folder that may not be read
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as e:
        let_signals_through(e)
        raise ConfigError("a configuration must be readable", place=str(path), cause=e.strerror) from None
    if not stat.S_ISREG(mode):
        raise ConfigError("a configuration must be a file", place=str(path))
    return True
