"""Shows checks: to people, as JSON, as JUnit XML, and as annotations on GitHub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from gradus_convert.validation.findings import Check, errors_in
from gradus_runtime.store.whole_file import write_whole
from gradus_runtime.wording import counted

__all__ = ["github", "junit", "lines", "write_junit"]

_MARKS = {True: "ok", False: "FAILED"}


def lines(checks: list[Check]) -> Iterator[str]:
    """Lines for people: one a check, below it what was found, and a sum at the end."""
    subject = None
    for check in checks:
        if check.subject != subject:
            subject = check.subject
            yield subject
        mark = "skipped" if check.skipped else _MARKS[check.passed]
        yield f"  {mark:8}{check.name}" + (f" ({check.skipped})" if check.skipped else "")
        for finding in check.findings:
            yield f"          {finding.severity}: {finding.message}"
    errors = errors_in(checks)
    warnings = sum(len(c.findings) for c in checks) - errors
    yield ", ".join(
        f"{counted(count, what)}"
        for count, what in ((len(checks), "check"), (errors, "error"), (warnings, "warning"))
    )


def github(checks: list[Check]) -> Iterator[str]:
    """GitHub's workflow commands, one a finding; paths are relative to the working folder where they can be.

    Format: GitHub's documentation of workflow commands (`::error file=...,line=...,title=...::message`).
    """
    for check in checks:
        for finding in check.findings:
            at = f"file={_property(_relative(finding.file))}"
            at += f",line={finding.line}" if finding.line else ""
            yield f"::{finding.severity} {at},title={_property(check.name)}::{_data(finding.message)}"


def _relative(file: str) -> str:
    path = Path(file)
    return os.path.relpath(path) if path.is_absolute() and path.is_relative_to(Path.cwd()) else file


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def junit(checks: list[Check]) -> bytes:
    """JUnit XML: a suite a subject, a case a check; errors are failures, warnings go to `system-out`."""
    root = ElementTree.Element("testsuites", name="gradus validate")
    by_subject: dict[str, list[Check]] = {}
    for check in checks:
        by_subject.setdefault(check.subject, []).append(check)
    for subject, group in by_subject.items():
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_printable(subject),
            tests=str(len(group)),
            failures=str(sum(bool(errors_in([c])) for c in group)),
            errors="0",
            skipped=str(sum(c.skipped is not None for c in group)),
        )
        for check in group:
            _case(suite, check)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _case(suite: ElementTree.Element, check: Check) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=_printable(check.subject), name=check.name)
    errors = [f.message for f in check.findings if f.severity == "error"]
    if errors:
        failure = ElementTree.SubElement(case, "failure", message=_printable(errors[0]))
        failure.text = _printable("\n".join(errors))
    elif check.skipped:
        ElementTree.SubElement(case, "skipped", message=check.skipped)
    warnings = [f.message for f in check.findings if f.severity == "warning"]
    if warnings:
        ElementTree.SubElement(case, "system-out").text = _printable("\n".join(warnings))


def _printable(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold."""
    return "".join(c if c in "\t\n" or " " <= c < "\ud800" or "\ue000" <= c < "\ufffe" else "?" for c in text)


def write_junit(checks: list[Check], path: Path) -> None:
    """Write JUnit XML to a file.

    Raises:
        EnvironmentFailedError: It cannot be written.
    """
    write_whole(path, junit(checks))
