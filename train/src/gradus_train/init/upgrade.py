"""`gradus init --upgrade`: files of a configuration in the formats of today, with the meaning that they had.

TOML files are edited line by line, so comments and all that need not change stay as they are. What the older
format meant without saying is written out, and what was edited is read back and compared with what was there.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradus_runtime.contracts import feature_order
from gradus_runtime.errors import ConfigError, EnvironmentFailedError, UsageError
from gradus_runtime.store import disk
from gradus_runtime.store.whole_file import write_whole
from gradus_runtime.wording import counted
from gradus_train import config as training
from gradus_train.evaluation import gates
from gradus_train.features.builtin import with_builtin_expressions

__all__ = ["UpgradedFile", "upgrade_folder", "upgraded"]

_BY_HAND = (
    "Nothing was written. Write this file by hand: `gradus init --out NEW` writes an example beside it."
)
_SECTIONS = {
    "data": ("bridge_bars = 0", "no gap is bridged"),
    "service": ('order = "declared"', "the order of the file, whether levels prove themselves or not"),
    "last_fit": ("on = false", "the measured models are shipped, which have not seen the holdout"),
    "policy": ('kind = "argmax"', "the most probable class"),
}


@dataclass(frozen=True, slots=True)
class UpgradedFile:
    """A file: its place, its new content, and sentences about what changed."""

    path: Path
    content: bytes
    changes: tuple[str, ...]


def upgrade_folder(folder: Path) -> list[UpgradedFile]:
    """Bring the files of a folder to the formats of today: all of them, or none.

    Args:
        folder: With `training.toml`, `feature_order.json` and `gates.toml`, or some of them.

    Returns:
        What was written; nothing where every file has the format of today.

    Raises:
        UsageError: The folder holds none of these files.
        ConfigError: A file breaks a rule of its format, or cannot be edited without losing something.
        EnvironmentFailedError: A file cannot be written; those written before it were put back.
    """
    with disk.failing("a configuration must be readable", str(folder), reading=True):
        there = [folder / name for name in _UPGRADES if disk.is_file(folder / name)]
    if not there:
        hint = "Name the folder of the configuration: gradus init --upgrade config."
        wanted = f"a folder with one of {', '.join(_UPGRADES)} is needed"
        raise UsageError(wanted, place="--upgrade", value=str(folder), hint=hint)
    before = {path: path.read_bytes() for path in there}
    made = [upgraded(path, data) for path, data in before.items()]
    files = [file for file in made if file is not None]
    done: list[Path] = []
    try:
        for file in files:
            write_whole(file.path, file.content)
            done.append(file.path)
    except EnvironmentFailedError:
        for path in done:
            write_whole(path, before[path])
        raise
    return files


def upgraded(path: Path, data: bytes) -> UpgradedFile | None:
    """Return a file as one of today; None where it is one.

    Raises:
        ConfigError: It breaks a rule of its format, or cannot be edited without losing something.
    """
    return _UPGRADES[path.name](path, data)


def _training(path: Path, data: bytes) -> UpgradedFile | None:
    old, text = training.load(path), data.decode("utf-8")
    if _format(text) != training.FORMAT_1:
        return None
    edited = _with_format(text, training.FORMAT)
    edited = _in_section(edited, "labels", 'kind = "fixed_horizon"')
    changes = [
        f"format is {training.FORMAT}",
        "labels.kind is fixed_horizon, which format 1 always meant; docs/labels.md has the other kinds",
    ]
    known = tomllib.loads(text)
    for section, (line, meaning) in _SECTIONS.items():
        if section == "data" and "bridge_bars" in known.get("data", {}):
            continue
        edited = _in_section(edited, section, f"{line}    # {meaning}: what format 1 meant")
        changes.append(
            f"[{section}] {line}: {meaning}, as before; without the line the default of today holds"
        )
    changes.append(
        "a table that brings labels must say how far they look: a column `label_reach`, or kind = "
        f'"column" with reach = {old.table_reach}'
    )
    new = _read(path, edited)
    if replace(new, table_reach=old.table_reach) != old:
        raise _refused(path)
    return UpgradedFile(path, edited.encode(), tuple(changes))


def _read(path: Path, edited: str) -> training.TrainingConfig:
    try:
        return training.parse(tomllib.loads(edited), place=str(path))
    except (tomllib.TOMLDecodeError, ConfigError) as problem:
        raise _refused(path) from problem


def _gates(path: Path, data: bytes) -> UpgradedFile | None:
    old, text = gates.load(path), data.decode("utf-8")
    if _format(text) != gates.FORMAT_1:
        return None
    edited = _with_format(text, gates.FORMAT)
    if gates.parse(tomllib.loads(edited), place=str(path)) != old:
        raise _refused(path)
    changes = [f"format is {gates.FORMAT}; its gates are of kind integrity, as before"]
    changes.append('new gates that may be added: test = "leak", test = "priors", test = "members"')
    if any(gate.metric.startswith("f1") and gate.at_least is not None for gate in old):
        changes.append("a bound on F1 is met by a model that always says HOLD, where HOLD is frequent")
    return UpgradedFile(path, edited.encode(), tuple(changes))


def _order(path: Path, data: bytes) -> UpgradedFile | None:
    old = feature_order.load(path)
    if old.format != feature_order.FORMAT_1:
        return None
    new = with_builtin_expressions(old)
    value = new.to_json()
    expressions, outside = len(new.expressions), len(new.outside)
    changes = (
        f"format is {feature_order.FORMAT}",
        f"{counted(expressions, 'feature has', 'features have')} the expressions that their names meant; "
        f"{counted(outside, 'comes', 'come')} from outside",
    )
    if feature_order.parse(value, place=str(path)) != new:
        raise _refused(path)
    text = json.dumps(value, indent=_indent(data), ensure_ascii=False)
    return UpgradedFile(path, (text + "\n").encode(), changes)


_UPGRADES: Mapping[str, Callable[[Path, bytes], UpgradedFile | None]] = {
    "training.toml": _training,
    "feature_order.json": _order,
    "gates.toml": _gates,
}


def _format(text: str) -> Any:
    return tomllib.loads(text).get("format")


def _with_format(text: str, name: str) -> str:
    """Exchange the value of the line `format = ...` before the first section."""
    found = re.search(r"""^([ \t]*(?:format|"format"|'format')[ \t]*=[ \t]*)(["'])[^"'\n]*\2""", text, re.M)
    return text if found is None else f'{text[: found.end(1)]}"{name}"{text[found.end() :]}'


def _in_section(text: str, section: str, line: str) -> str:
    """Put a line first into a section; the section goes to the end of the file where there is none."""
    end = "\r\n" if "\r\n" in text else "\n"
    found = re.search(rf"^[ \t]*\[[ \t]*{section}[ \t]*\][^\n]*\n", text, re.M)
    if found is not None:
        return f"{text[: found.end()]}{line}{end}{text[found.end() :]}"
    gap = "" if text.endswith("\n") else end
    return f"{text}{gap}{end}[{section}]{end}{line}{end}"


def _indent(data: bytes) -> int:
    """Return how far the first line of a JSON file is indented."""
    found = re.search(rb"\n( +)\S", data)
    return 2 if found is None else len(found.group(1))


def _refused(path: Path) -> ConfigError:
    rule = (
        "a file must be editable line by line without a change of meaning: each section has a line `[name]`"
    )
    return ConfigError(rule, place=str(path), hint=_BY_HAND)
