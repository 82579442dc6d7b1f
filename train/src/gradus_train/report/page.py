"""The report: one HTML page from a run folder, with everything it needs inside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from gradus_live.costs import NO_COSTS
from gradus_live.money import Money
from gradus_runtime.contracts import codec, names, run_folder, strict_json
from gradus_runtime.contracts.run_folder import METADATA, Run
from gradus_runtime.errors import DataError
from gradus_runtime.store.whole_file import write_whole
from gradus_runtime.wording import plural
from gradus_train.evaluation.details import Details, LevelDetails
from gradus_train.report.charts import balance_chart, class_colour, folds_chart, reliability_chart
from gradus_train.report.decision_charts import equity_chart, skill_chart

__all__ = ["load_details", "render_report", "write_page"]

_TOP = 15


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    share: float
    width: float


@dataclass(frozen=True, slots=True)
class _LevelView:
    details: LevelDetails
    verdict: str
    folds: Markup
    reliability: Markup
    importances: tuple[_Bar, ...]
    confusion: tuple[tuple[tuple[int, float], ...], ...]


def load_details(folder: Path) -> Details:
    """Read what a run tells about itself.

    Raises:
        DataError: The folder is not a finished run of this version.
    """
    path = folder / METADATA
    run_folder.load(folder)
    value = strict_json.parse(
        path.read_bytes(), place=str(path), max_bytes=run_folder.MAX_BYTES, error=DataError
    )
    training = value.get("training")
    details = training.get("details") if isinstance(training, dict) else None
    if details is None:
        raise DataError(
            "a run must hold `training.details` to be reported on",
            place=str(path),
            hint="Only runs of `gradus train` have them.",
        )
    if isinstance(details, dict):
        # Written before there were policies, or a comparison, equity and skill beside them.
        details = {"policy": None, "pinned": None, "equity": [], "skills": [], **details}
        levels = details.get("levels")
        if isinstance(levels, list):  # and temperatures
            known = [{"calibration": None, **v} if isinstance(v, dict) else v for v in levels]
            details = {**details, "levels": known}
    return codec.decode(Details, details, place=f"{path}: training.details", error=DataError)


def write_page(folder: Path, out: Path | None = None) -> Path:
    """Write the page about a run, and return its path; into the run folder it travels with the artifact.

    Args:
        folder: Of a finished run.
        out: The file to write; `report.html` in the run folder by default.

    Raises:
        DataError: The folder is not a finished run of this version.
        EnvironmentFailedError: The file cannot be written.
    """
    path = out or folder / names.REPORT
    write_whole(path, render_report(run_folder.load(folder), load_details(folder)).encode())
    return path


def render_report(run: Run, details: Details) -> str:
    """Return the page.

    Nothing in it depends on the time or the machine: the same run gives the same page.
    """
    environment = Environment(
        loader=PackageLoader("gradus_train.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fixed"] = lambda value, digits=4: f"{value:.{digits}f}"
    environment.filters["percent"] = lambda value, digits=1: f"{100 * value:.{digits}f} %"
    environment.filters["points"] = lambda value: f"{1e4 * value:+.1f}"
    environment.filters["interval"] = _interval
    environment.filters["net"] = lambda value: f"{100 * value:+.1f} %"
    environment.filters["plural"] = plural
    environment.filters["grouped"] = lambda value: f"{value:,}".replace(",", "\u202f")
    classes = details.data.classes
    context: Mapping[str, Any] = {
        "run": run,
        "no_costs": NO_COSTS,
        "details": details,
        "classes": [(name, class_colour(i, len(classes))) for i, name in enumerate(classes)],
        # Markup: these are made by our own drawing, which escapes the one text that it takes from outside.
        "balance": Markup(balance_chart(details.data, details.split)),  # noqa: S704
        "levels": [_view(level, classes, details.data.reach) for level in details.levels],
        "equity": [(part, Markup(equity_chart(part))) for part in details.equity],  # noqa: S704 - as above
        "skills": [(skill, Markup(skill_chart(skill))) for skill in details.skills],  # noqa: S704 - as above
        "beside": [gate for gate in details.gates if "the pinned version" in gate.text],
        "best_loss": min((p.scores.log_loss for p in details.step_down), default=0.0),
    }
    return environment.get_template("report.html.j2").render(context)


def _interval(money: Money) -> str:
    """95 % interval of the mean net return, in basis points."""
    low, high = money.test.bounds(0.95)
    return f"{1e4 * low:+.1f} to {1e4 * high:+.1f}" if math.isfinite(low) else "\u2013"


def _view(level: LevelDetails, classes: tuple[str, ...], reach: int) -> _LevelView:
    return _LevelView(
        details=level,
        verdict=_verdict(level),
        folds=Markup(folds_chart(level)),  # noqa: S704 - as above
        reliability=Markup(reliability_chart(level, classes, reach)),  # noqa: S704 - as above
        importances=_importances(level),
        confusion=tuple(
            tuple((n, n / max(1, sum(row))) for n in row) for row in level.holdout.ensemble.confusion
        ),
    )


def _verdict(level: LevelDetails) -> str:
    """Say in words what the holdout says, small edges as small."""
    mine, priors = level.holdout.ensemble, level.holdout.baselines["priors"]
    edge = 1 - mine.log_loss / priors.log_loss
    side = "below" if edge > 0 else "above"
    words = f"log loss {mine.log_loss:.4f}, {abs(edge):.1%} {side} the class priors' {priors.log_loss:.4f}"
    return words + ("." if edge > 0 else ": it knows less than the priors.")


def _importances(level: LevelDetails) -> tuple[_Bar, ...]:
    """Weighted mean of the members' importances, the largest first; members that have none do not count."""
    total = [0.0] * len(level.features)
    for member, weight in level.weights.items():
        for i, value in enumerate(level.importances[member]):
            total[i] += weight * value
    whole = sum(total) or 1.0
    order = sorted(range(len(total)), key=lambda i: (-total[i], i))[:_TOP]
    largest = total[order[0]] or 1.0
    return tuple(_Bar(level.features[i], total[i] / whole, total[i] / largest) for i in order)
