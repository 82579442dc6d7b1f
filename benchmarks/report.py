"""Results as people read them: tables of figures with ratios, growth, what must be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.plot import TITLES, UNITS
from benchmarks.results import Check, Growth, Results, Series, Subject
from benchmarks.summary import ratio

__all__ = ["markdown"]


@dataclass(frozen=True, slots=True)
class _Column:
    """A figure in a table: its name, heading, and format; `compared` for one that is shown as ratios too."""

    figure: str
    heading: str
    form: str
    compared: bool = True


_TABLES = (
    (
        "One row, memory, start",
        (
            _Column("first_peak_mib", "peak memory to the first answer, MiB", ".0f"),
            _Column("peak_mib", "after serving, MiB", ".0f"),
            _Column("cold_start_ms", "process start to first answer, ms", ".0f"),
            _Column("load_ms", "load, ms", ".1f"),
            _Column("p50_us", "one row p50, us", ".0f"),
            _Column("p99_us", "p99, us", ".0f"),
        ),
    ),
    (
        "Batches, us a row",
        tuple(_Column(f"us_per_row_{n}", f"{n:,} rows", ".1f") for n in (100, 1_000, 10_000, 100_000)),
    ),
    (
        "Files, preparation, exactness",
        (
            _Column("artifact_mib", "artifact, MiB", ".2f"),
            _Column("installed_mib", "installed to serve, MiB", ".0f"),
            _Column("prepare_s", "preparation, s", ".1f"),
            _Column("prepare_peak_mib", "its peak memory, MiB", ".0f"),
            _Column("wrong_rows", "rows on the wrong side", ".0f", compared=False),
            _Column("boundary_rows", "of boundary rows", ".0f", compared=False),
        ),
    ),
)

_BASES = (("native", "native"), ("stock", "stock ONNX"))


def markdown(results: Results) -> str:
    """Return the report."""
    machine = results.machine
    lines = [
        "# Benchmark results",
        "",
        f"Profile `{results.profile}`. {machine['cores']} cores, {machine['memory']}, "
        f"{machine['processor']}, {machine['system']}, Python {machine['python']}.",
        "Versions: " + ", ".join(f"{k} {v}" for k, v in results.versions.items()) + ".",
        "Each cell: the figure, then its ratio to native / to stock ONNX in the run (below 1 is better).",
    ]
    for subject in results.subjects:
        lines += _subject(subject)
    lines += _growth(results.growth)
    lines += _checks(results.checks)
    return "\n".join(lines) + "\n"


def _subject(subject: Subject) -> list[str]:
    known = ", ".join(f"{value:,.0f} {name.replace('_', ' ')}" for name, value in subject.facts.items())
    lines = ["", f"## {subject.title} (`{subject.name}`)", "", known + "."]
    for threads in sorted({s.threads for s in subject.series}):
        series = [s for s in subject.series if s.threads == threads]
        for title, columns in _TABLES:
            shown = [c for c in columns if any(c.figure in s.figures for s in series)]
            if shown and (threads == 1 or "preparation" not in title):
                heading = f"{title}, {threads} thread{'s' if threads > 1 else ''}"
                lines += ["", f"### {heading}", "", *_table(series, shown)]
    own = [s.figures["own_us"] for s in subject.series if "own_us" in s.figures and s.threads == 1]
    if own:
        lines += ["", f"Of gradus' one row, {own[0]:.0f} us are its own, the rest is onnxruntime's."]
    lines += [f"\nAbsent: `{a.peer}`: {a.reason}" for a in subject.absent]
    return lines


def _table(series: list[Series], columns: list[_Column]) -> list[str]:
    by_peer = {s.peer: s for s in series}
    bases = [by_peer[peer].figures for peer, _ in _BASES if peer in by_peer]
    lines = ["| | " + " | ".join(c.heading for c in columns) + " |", "| --- |" + " ---: |" * len(columns)]
    for one in series:
        cells = [_cell(one, column, bases) for column in columns]
        lines.append(f"| {one.title} | " + " | ".join(cells) + " |")
    return lines


def _cell(series: Series, column: _Column, bases: list[Mapping[str, float]]) -> str:
    value = series.figures.get(column.figure)
    if value is None:
        return ""
    text = f"{value:,{column.form}}"
    if not column.compared:
        return text
    ratios = [ratio(value, base.get(column.figure)) for base in bases]
    return f"{text} ({' / '.join('' if r is None else f'{r:.2g}' for r in ratios)})" if bases else text


def _growth(growth: tuple[Growth, ...]) -> list[str]:
    if not growth:
        return []
    head = "| | " + " | ".join(f"{f:g}x" for f in growth[0].factors) + " | |"
    lines = [
        "",
        "## Growth",
        "",
        "![cost over work](growth.svg)",
        "",
        head,
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for one in growth:
        costs = " | ".join(f"{cost:,.3g}" for cost in one.costs)
        verdict = "linear or better" if one.linear else "faster than linear"
        lines.append(f"| {one.axis}: {TITLES[one.figure]} ({UNITS[one.figure]}) | {costs} | {verdict} |")
    return lines


def _checks(found: tuple[Check, ...]) -> list[str]:
    if not found:
        return []
    lines = ["", "## Must reach", "", "| | at most | measured | |", "| --- | ---: | ---: | --- |"]
    for check in found:
        value = "" if check.value is None else f"{check.value:.3g}"
        lines.append(
            f"| {check.name} | {check.target:g} | {value} | {'reached' if check.reached else 'not reached'} |"
        )
    return lines
