"""The short table that README and docs quote, written between two markers: nobody copies figures by hand.

`python -m benchmarks.quote README.md docs/benchmarks.md` puts the figures of `benchmarks/results/latest.json`
between `<!-- benchmarks:begin -->` and `<!-- benchmarks:end -->`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.results import Results
from gradus_runtime.contracts import codec

__all__ = ["BEGIN", "END", "quoted", "table"]

LATEST = Path(__file__).resolve().parent / "results" / "latest.json"
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"

_SHOWN = ("gradus", "native", "stock", "tl2cgen", "treelite_gtil")
_COLUMNS = (
    ("peak_mib", "peak memory, MiB", ".0f"),
    ("cold_start_ms", "process start to first answer, ms", ".0f"),
    ("p50_us", "one row, us", ".0f"),
    ("us_per_row_10000", "a row in 10,000, us", ".1f"),
    ("installed_mib", "installed, MiB", ".0f"),
    ("wrong_rows", "rows on the wrong side", ".0f"),
)


def table(results: Results) -> str:
    """Return the table of the reference ensemble on one thread, with the machine beneath."""
    subject = next(s for s in results.subjects if s.name == "large")
    by_peer = {s.peer: s for s in subject.series if s.threads == 1}
    lines = [
        "| | " + " | ".join(heading for _, heading, _ in _COLUMNS) + " |",
        "| --- |" + " ---: |" * len(_COLUMNS),
    ]
    for peer in (p for p in _SHOWN if p in by_peer):
        figures = by_peer[peer].figures
        lines.append(f"| {by_peer[peer].title} | " + " | ".join(_cells(figures)) + " |")
    machine = results.machine
    tried = next(iter(by_peer.values())).figures.get("boundary_rows", 0)
    lines += [
        "",
        f"{subject.facts['trees']:,.0f} trees, {subject.facts['nodes']:,.0f} nodes, one thread, medians of "
        f"{subject.series[0].repetitions} fresh processes; {tried:,.0f} rows on split thresholds and "
        f"beside them. {machine['cores']} cores, {machine['memory']}, {machine['processor']}.",
    ]
    return "\n".join(lines)


def _cells(figures: Mapping[str, float]) -> list[str]:
    return [f"{figures[name]:,{form}}" if name in figures else "" for name, _, form in _COLUMNS]


def quoted(text: str, results: Results) -> str:
    """Return a document with the table between its markers.

    Raises:
        ValueError: It has not both markers, once, in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after:
        raise ValueError(f"a document must hold {BEGIN} and, after it, {END}, once")
    return f"{before}{BEGIN}\n{table(results)}\n{END}{after}"


def main() -> None:
    """Write the table into the documents that the command line names."""
    results = codec.decode(Results, json.loads(LATEST.read_text()), place=LATEST.name)
    for name in sys.argv[1:]:
        document = Path(name)
        document.write_text(quoted(document.read_text(), results))


if __name__ == "__main__":
    main()
