"""What gradus must reach on the reference ensemble, and what is wrong with the answers."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.results import Check, Results, Subject
from benchmarks.summary import ratio

__all__ = ["checks", "problems"]


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    figure: str
    base: str
    target: float
    peer: str = "gradus_graph"


_RULES = (
    _Rule("peak memory against a session with one Identity node", "peak_mib", "floor", 1.15),
    _Rule("peak memory against stock", "peak_mib", "stock", 0.25),
    _Rule("load against stock", "load_ms", "stock", 0.05),
    _Rule("one row against stock", "p50_us", "stock", 0.5),
    _Rule("one row against native", "p50_us", "native", 0.01),
    _Rule("a row of 1,000 against stock", "us_per_row_1000", "stock", 1.0),
    _Rule("file against stock", "artifact_mib", "stock", 0.25),
    _Rule("aim: a row of 10,000 against stock", "us_per_row_10000", "stock", 0.5),
)


def checks(subjects: tuple[Subject, ...]) -> tuple[Check, ...]:
    """Return what gradus must reach on the reference ensemble, and whether it did."""
    found = []
    levels = next((s.series[0].figures for s in subjects if s.name == "levels" and s.series), {})
    for subject in subjects:
        if subject.name != "large":
            continue
        figures = {s.peer: s.figures for s in subject.series if s.threads == 1}
        for rule in _RULES:
            value = ratio(
                figures.get(rule.peer, {}).get(rule.figure), figures.get(rule.base, {}).get(rule.figure)
            )
            reached = value is not None and value <= rule.target
            found.append(Check(rule.name, rule.target, value, reached))
        own = figures.get("gradus", {}).get("own_us")
        found.append(Check("gradus' own share of one row, us", 20.0, own, own is not None and own <= 20.0))
        for figure, target in (("prepare_s", 60.0), ("prepare_peak_mib", 1024.0)):
            value = levels.get(figure)
            name = f"conversion of the three levels, {'s' if figure == 'prepare_s' else 'MiB'}"
            found.append(Check(name, target, value, value is not None and value <= target))
        wrong = figures.get("gradus", {}).get("wrong_rows")
        found.append(Check("boundary rows on the wrong side", 0.0, wrong, wrong == 0.0))
    return tuple(found)


_EXACT = ("gradus", "gradus_graph")


def problems(results: Results) -> list[str]:
    """Return what is wrong with the answers, whatever the times: an empty list if all is well."""
    found = []
    for subject in (s for s in results.subjects if s.name != "levels"):
        present = {s.peer: s.figures for s in subject.series if s.threads == 1}
        for peer in _EXACT:
            if peer not in present:
                found.append(f"{subject.name}: {peer} was not measured")
                continue
            for figure in ("wrong_rows", "label_changes"):
                if present[peer].get(figure) != 0:
                    found.append(f"{subject.name}: {peer} has {present[peer].get(figure)} {figure}")
            if not present[peer].get("largest_difference", 1.0) <= 1e-6:
                found.append(f"{subject.name}: {peer} differs by {present[peer].get('largest_difference')}")
    return found
