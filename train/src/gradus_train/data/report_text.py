"""The data report for a terminal."""

from __future__ import annotations

from gradus_runtime.wording import counted, plural
from gradus_train.data.data_report import DataReport

__all__ = ["report_text"]

_GAPS_SHOWN = 10


def report_text(report: DataReport) -> str:
    """Return the report as lines of text."""
    return "\n".join(
        [*_head(report), *_gaps(report), *_labels(report), *_coverage(report), *_columns(report)]
    )


def _head(report: DataReport) -> list[str]:
    lines = [
        f"Rows      {counted(report.rows, 'bar')} of {_minutes(report.bar_minutes)}, "
        f"{report.start} to {report.end}",
        f"Data      sha256 {report.data_sha256}" + (" (simulated)" if report.simulated else ""),
    ]
    if report.source_bar_minutes not in (0, report.bar_minutes):
        lines.append(
            f"Source    bars of {_minutes(report.source_bar_minutes)}; "
            f"{counted(report.partial_bars, 'incomplete bar')} left out"
        )
    return lines


def _minutes(count: float) -> str:
    return f"{count:g} {plural(count, 'minute')}"


def _gaps(report: DataReport) -> list[str]:
    if not report.gaps:
        return ["Gaps      none"]
    bridged = f"{report.bridged_bars:,} of them bridged" if report.bridged_bars else "none of them bridged"
    lines = [f"Gaps      {len(report.gaps):,}, with {counted(report.missing_bars, 'bar')} missing; {bridged}"]
    largest = sorted(report.gaps, key=lambda g: -g.bars)[:_GAPS_SHOWN]
    lines += [f"            {g.bars:>6,} after {g.after}" for g in sorted(largest, key=lambda g: g.after)]
    if len(report.gaps) > _GAPS_SHOWN:
        lines.append(f"            (the {_GAPS_SHOWN} largest)")
    return lines


def _labels(report: DataReport) -> list[str]:
    shares = "  ".join(
        f"{c} {report.label_counts[c]:,} ({report.label_shares[c]:.1%})" for c in report.label_counts
    )
    return [f"Labels    {counted(report.labelled_rows, 'row')}: {shares}"]


def _coverage(report: DataReport) -> list[str]:
    lines = ["", f"{'group':<20}{'features':>9}{'rows without':>14}   worst feature"]
    lines += [
        f"{g.name:<20}{g.features:>9}{g.missing_share:>14.2%}   {g.worst_feature} {g.worst_share:.2%}"
        for g in report.groups
    ]
    lines += ["", f"{'level':<20}{'features':>9}{'rows':>14}{'labelled':>12}"]
    return lines + [f"{s.name:<20}{s.features:>9}{s.rows:>14,}{s.labelled_rows:>12,}" for s in report.levels]


def _columns(report: DataReport) -> list[str]:
    return [
        "",
        f"Without any value: {', '.join(report.empty) or 'none'}",
        f"Constant: {', '.join(report.constant) or 'none'}",
        f"Duplicates: {'; '.join(' = '.join(d) for d in report.duplicates) or 'none'}",
    ]
