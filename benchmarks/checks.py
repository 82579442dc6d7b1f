"""What gradus must reach, on which models and against whom, and what is wrong with the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.results import Check, Results, Subject
from benchmarks.summary import ratio

__all__ = ["checks", "problems"]

_Figures = Mapping[tuple[str, int], Mapping[str, float]]
"""Of one subject, by peer and threads."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """At most `target` times the base's figure, or that much more where it is a difference.

    Without a base the figure itself is held to the target.
    """

    name: str
    figure: str
    base: str
    target: float
    peer: str = "gradus_graph"
    subject: str = "large"
    difference: bool = False
    threads: int = 1


_ROW, _BATCH = "p50_us", "us_per_row_10000"
_KERNEL, _AVX2 = "gradus_kernels", "gradus_kernels_avx2"

_RULES = (
    _Rule("peak memory against a session with one Identity node", "peak_mib", "floor", 1.15),
    _Rule("peak memory against stock", "peak_mib", "stock", 0.25),
    _Rule("load against stock", "load_ms", "stock", 0.05),
    _Rule("one row against stock", _ROW, "stock", 0.5),
    _Rule("one row against native", _ROW, "native", 0.01),
    _Rule("a row of 1,000 against stock", "us_per_row_1000", "stock", 1.0),
    _Rule("file against stock", "artifact_mib", "stock", 0.25),
    _Rule("aim: a row of 10,000 against stock", _BATCH, "stock", 0.5),
    _Rule("kernel: a row of 10,000 against stock", _BATCH, "stock", 0.2, _KERNEL),
    _Rule("kernel on AVX2: a row of 10,000 against stock", _BATCH, "stock", 0.35, _AVX2),
    _Rule("kernel: one row against stock", _ROW, "stock", 0.35, _KERNEL),
    _Rule(
        "kernel: two threads against one, a row of 10,000",
        "share_of_one_thread_10000",
        "",
        1 / 1.7,
        _KERNEL,
        threads=2,
    ),
    _Rule("kernel: load against without", "load_ms", "gradus", 1.3, _KERNEL),
    _Rule("kernel: more memory, MiB", "batch_peak_mib_10000", "gradus", 10.0, _KERNEL, difference=True),
    _Rule("kernel: more memory, single rows alone, MiB", "peak_mib", "gradus", 2.0, _KERNEL, difference=True),
    *(
        _Rule(f"{name}: weekly models, {what} against stock", figure, "stock", 1.0, peer, "small")
        for name, peer in (("kernel", _KERNEL), ("kernel on AVX2", _AVX2))
        for what, figure in (("one row", _ROW), ("a row of 10,000", _BATCH))
    ),
    *(
        _Rule(f"{name}: {subject}, a row of 10,000 against {base}", _BATCH, base, 1.0, peer, subject)
        for name, peer in (("kernel", _KERNEL), ("kernel on AVX2", _AVX2))
        for subject, base in (("lightgbm", "lleaves"), ("lightgbm", "daal4py"), ("xgboost", "daal4py"))
    ),
    _Rule(
        "compile: one row of LightGBM alone against stock", _ROW, "stock", 1.2, "gradus_compiled", "lightgbm"
    ),
    _Rule(
        "compile: one row of the weekly LightGBM against stock",
        _ROW,
        "stock",
        1.0,
        "gradus_compiled",
        "small-lightgbm",
    ),
)


def checks(subjects: tuple[Subject, ...]) -> tuple[Check, ...]:
    """Return what gradus must reach on the subjects that were measured, and whether it did."""
    found = []
    measured = {s.name: {(x.peer, x.threads): x.figures for x in s.series} for s in subjects}
    levels = next(iter(measured.get("levels", {}).values()), {})
    if "large" not in measured:
        return ()
    for rule in _RULES:
        if rule.subject in measured:
            found.append(_check(rule, measured[rule.subject]))
    gradus = measured["large"].get(("gradus", 1), {})
    own = gradus.get("own_us")
    found.append(Check("gradus' own share of one row, us", 20.0, own, own is not None and own <= 20.0))
    for figure, target in (("prepare_s", 60.0), ("prepare_peak_mib", 1024.0)):
        value = levels.get(figure)
        name = f"conversion of the three levels, {'s' if figure == 'prepare_s' else 'MiB'}"
        found.append(Check(name, target, value, value is not None and value <= target))
    wrong = gradus.get("wrong_rows")
    found.append(Check("boundary rows on the wrong side", 0.0, wrong, wrong == 0.0))
    return tuple(found)


def _check(rule: _Rule, figures: _Figures) -> Check:
    own = figures.get((rule.peer, rule.threads), {}).get(rule.figure)
    base = figures.get((rule.base, 1), {}).get(rule.figure)
    more = None if own is None or base is None else own - base
    value = more if rule.difference else ratio(own, base) if rule.base else own
    return Check(rule.name, rule.target, value, value is not None and value <= rule.target)


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
        for peer in (p for p in (_KERNEL, _AVX2) if p in present):
            if present[peer].get("other_bits") != 0:
                found.append(f"{subject.name}: {peer} has {present[peer].get('other_bits')} other_bits")
    return found
