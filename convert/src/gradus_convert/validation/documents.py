"""Checks a manifest or a feature order by itself: JSON, schema, and the rules that a schema cannot state."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator, ValidationError

from gradus_convert.validation.findings import Check, Finding, attempt, from_error
from gradus_convert.validation.lines import line_of
from gradus_runtime.contracts import codec, feature_order, strict_json
from gradus_runtime.contracts.manifest import FORMAT_VERSION, Manifest, rules, upgrade
from gradus_runtime.contracts.manifest import parse as parse_manifest
from gradus_runtime.contracts.schemas import load_schema
from gradus_runtime.errors import DataError, GradusError, ManifestError

__all__ = ["check_feature_order", "check_manifest", "kind_of", "read"]

Contract = Literal["manifest", "feature_order"]
MAX_SHOWN = 20
MAX_LOOKED_AT = 201
"""Errors of a schema that are looked at: each holds copies of what it is about."""


def read(path: Path) -> bytes:
    """Read a file, one byte more than a contract may have.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(strict_json.MAX_BYTES + 1)
    except OSError as e:
        raise DataError("a file must be readable", place=str(path), cause=e.strerror) from None


def kind_of(value: Any) -> Contract | None:
    """Tell from its keys which contract a JSON value means to be."""
    if isinstance(value, dict) and ("format_version" in value or "decision" in value):
        return "manifest"
    if isinstance(value, dict) and ("groups" in value or "format" in value):
        return "feature_order"
    return None


def check_manifest(data: bytes, place: str) -> list[Check]:
    """Check the bytes of a manifest.

    Args:
        data: The whole file.
        place: Its path.

    Returns:
        The checks "JSON", "schema", "rules", "canonical form"; later ones are skipped when one before fails.
    """
    checks, value = _schema(data, place, "manifest")
    if checks[-1].findings:
        return [*checks, _skipped(place, "rules"), _skipped(place, "canonical form")]
    decoded, manifest = attempt(place, "rules", place, lambda: _decode(value))
    if manifest is None:
        return [*checks, decoded, _skipped(place, "canonical form")]
    text = data.decode()
    found = tuple(from_error(e, place, line_of(text, _path(e))) for e in rules.problems(manifest, "manifest"))
    checks.append(Check(place, "rules", found))
    if found:
        return [*checks, _skipped(place, "canonical form")]
    return [*checks, attempt(place, "canonical form", place, lambda: parse_manifest(data, place=place))[0]]


def check_feature_order(data: bytes, place: str) -> list[Check]:
    """Check the bytes of a feature order; returns the checks "JSON", "schema" and "rules"."""
    checks, value = _schema(data, place, "feature_order")
    if checks[-1].findings:
        return [*checks, _skipped(place, "rules")]
    try:
        feature_order.parse(value, place=place)
    except GradusError as e:
        found = from_error(e, place, line_of(data.decode(), _path(e)))
        return [*checks, Check(place, "rules", (found,))]
    return [*checks, Check(place, "rules")]


def _schema(data: bytes, place: str, contract: Contract) -> tuple[list[Check], Any]:
    checked, value = attempt(place, "JSON", place, lambda: strict_json.parse(data, place=place))
    if checked.findings:
        return [checked, _skipped(place, "schema", checked.findings)], None
    if contract == "manifest" and (newer := _newer(value)):
        error = ManifestError(
            f"format_version must be at most {FORMAT_VERSION}",
            place=place,
            value=newer,
            hint="A newer gradus-convert may know it.",
        )
        return [checked, Check(place, "schema", (from_error(error, place),))], None
    every = Draft202012Validator(_schema_of(contract, value)).iter_errors(value)
    errors = sorted(islice(every, MAX_LOOKED_AT), key=lambda e: list(map(str, e.path)))
    found = _findings(errors, contract, value, data.decode(), place)
    if len(errors) == MAX_LOOKED_AT:
        found.append(Finding("error", f"{place}: and others: more than {MAX_LOOKED_AT - 1} errors", place))
    elif len(errors) > MAX_SHOWN:
        found.append(Finding("error", f"{place}: and {len(errors) - MAX_SHOWN} more", place))
    return [checked, Check(place, "schema", tuple(found))], value


def _findings(
    errors: list[ValidationError], contract: Contract, value: Any, text: str, place: str
) -> list[Finding]:
    """What the reader says of a value that its schema refuses, in words, and then what the schema says."""
    found = []
    by_reader = _error_of_reader(contract, value, place) if errors else None
    path = None if by_reader is None else _path(by_reader)
    if by_reader is not None and path is not None:
        inside = (list(e.path) for e in errors if list(e.path)[: len(path)] == path)
        found.append(from_error(by_reader, place, line_of(text, next(inside, path))))
    for error in errors[:MAX_SHOWN]:
        at = list(error.path)
        if error.context and at == path:
            continue  # all that the schema has to say is that no alternative fits
        said = f"{place}: {error.json_path}: {_said(error)}"
        found.append(Finding("error", said, place, line_of(text, at)))
    return found


def _error_of_reader(contract: Contract, value: Any, place: str) -> GradusError | None:
    """The first rule that the reader finds broken; it needs no schema."""
    try:
        if contract == "feature_order":
            feature_order.parse(value, place=place)
            return None
        return next(iter(rules.problems(_decode(value), "manifest")), None)
    except GradusError as e:
        return e


def _said(error: ValidationError) -> str:
    """What a schema says; of alternatives, what is wrong with each."""
    if not error.context:
        return _short(error.message)
    return ", or ".join(dict.fromkeys(_short(e.message) for e in error.context))


def _decode(value: Any) -> Manifest:
    place = "manifest"
    return codec.decode(Manifest, upgrade(value, place=place), place=place)


def _schema_of(contract: Contract, value: Any) -> dict[str, Any]:
    """The schema of the format that a value says it has; that of today if it says none."""
    version = value.get("format_version") if contract == "manifest" and isinstance(value, dict) else None
    return load_schema(contract, version if type(version) is int and version >= 1 else None)


def _newer(value: Any) -> int | None:
    version = value.get("format_version") if isinstance(value, dict) else None
    return version if type(version) is int and version > FORMAT_VERSION else None


def _skipped(place: str, name: str, findings: tuple[Finding, ...] = ()) -> Check:
    return Check(place, name, findings, skipped="a check before it failed")


def _short(message: str) -> str:
    return message if len(message) <= 200 else message[:120] + " ... " + message[-75:]


def _path(error: GradusError) -> list[str | int]:
    """Key path of an error's place: `file: groups[1].features[0]` or `manifest.levels[0].groups`."""
    last = (error.place or "").rpartition(": ")[2]
    if not last.startswith(("manifest.", "manifest[")) and (error.place or "") == last:
        return []  # the file as a whole
    last = last.removeprefix("manifest.")
    steps: list[str | int] = []
    for part in last.replace("[", ".[").split("."):
        if part.startswith("[") and part.endswith("]") and part[1:-1].isdigit():
            steps.append(int(part[1:-1]))
        elif part:
            steps.append(part)
    return steps
