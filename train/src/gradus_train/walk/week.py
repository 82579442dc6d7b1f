"""One week: what was said, what it left, and what others would have left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradus_live.costs import Costs
from gradus_live.positions import ENDS, Positions, hold_positions, scattered
from gradus_runtime.errors import CheckError
from gradus_train.data.dataset import Dataset
from gradus_train.walk.market_history import History, market_of
from gradus_train.walk.outages import Outages
from gradus_train.walk.result import Skill, WeekMoney, WeekResult
from gradus_train.walk.versions import WeekVersion
from gradus_train.walk.week_answers import (
    FALLBACK,
    WeekAnswers,
    answer_bar_by_bar,
    answer_table,
    calls_of,
    no_answers,
)
from gradus_train.walk.weeks import Week

__all__ = ["Judge", "Served", "stepped_down"]

_DAY_MS = 86_400_000
_DRAWS = 200
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Served:
    """The versions of a week: its own, the one that serves, and those of other procedures, by name."""

    own: WeekVersion
    main: WeekVersion | None
    others: Mapping[str, WeekVersion | None]


class Judge:
    """Judges weeks.

    Args:
        history: The market.
        store: Where the versions are.
        costs: What a trade costs.
        outages: Groups that are missing.
        levels: Names of the levels that are trained, best first.
        seed: Of random calls.
    """

    def __init__(
        self,
        history: History,
        store: Path,
        costs: Costs,
        outages: Outages,
        *,
        levels: Sequence[str],
        seed: int,
    ) -> None:
        self._history, self._store, self._costs, self._outages = history, store, costs, outages
        self._levels = tuple(levels)
        self._seed = seed
        self._bars = market_of(history.whole)

    def judge(self, week: Week, served: Served, *, bar_by_bar: bool = False) -> WeekResult:
        """Judge a week.

        Args:
            week: The week.
            served: Its versions.
            bar_by_bar: Also answer each bar from candles alone, as a bot does, and compare.

        Raises:
            CheckError: A bar has another answer from candles than from the table.
            GradusError: A version cannot be served here.
        """
        bars = self._history.bars_of(week)
        missing = self._outages.missing(self._history.order, week, bars.timestamps, bars.bar_ms)
        asked: dict[tuple[str | None, bool], WeekAnswers] = {}

        def ask(version: WeekVersion | None, *, whole: bool = False) -> WeekAnswers:
            key = (None if version is None else version.version, whole or not missing)
            if key not in asked:
                asked[key] = self._ask(version, bars, {} if whole else missing)
            return asked[key]

        mine = ask(served.main)
        if bar_by_bar and served.main is not None and len(bars.timestamps):
            self._compare(served.main, bars, missing, mine)
        money = self._money(week, bars, mine)
        others = {name: self._money(week, bars, ask(version)) for name, version in served.others.items()}
        refused = served.own.version is not None and served.own != served.main
        if refused:
            others["refused"] = self._money(week, bars, ask(served.own))
        skill = self._skill(week, bars, mine, served.own)
        whole = ask(served.main, whole=True) if missing else None
        touched = np.logical_or.reduce(list(missing.values())) if missing else np.zeros(0, np.bool_)
        return WeekResult(
            name=week.name,
            version=served.own,
            served=None if served.main is None else served.main.version,
            bars=len(bars.timestamps),
            levels=_counts(mine.levels),
            missing=int(touched.sum()) if missing else 0,
            stepped_down=stepped_down(mine, served.main, self._levels),
            skill=_by(skill, mine.levels),
            regimes=_by(skill, self._regimes(bars, served.own)),
            money=money,
            without_outages=None if whole is None else self._money(week, bars, whole),
            skill_lost=None
            if whole is None
            else tuple(
                _sum(self._skill(week, bars, answers, served.own)[touched]) for answers in (mine, whole)
            ),
            others=others,
            refused_skill=_sum(self._skill(week, bars, ask(served.own), served.own)) if refused else None,
            hold=self._hold(week, bars),
            random=self._random(week, bars, mine),
        )

    def _ask(self, version: WeekVersion | None, bars: Dataset, missing: Mapping[str, Flags]) -> WeekAnswers:
        if version is None or not len(bars.timestamps):
            return no_answers(len(bars.timestamps), len(bars.classes))
        return answer_table(self._folder(version), bars, self._history.order, missing)

    def _folder(self, version: WeekVersion) -> Path:
        return self._store / "versions" / str(version.version)

    def _compare(
        self, version: WeekVersion, bars: Dataset, missing: Mapping[str, Flags], table: WeekAnswers
    ) -> None:
        one_by_one = answer_bar_by_bar(self._folder(version), self._history, bars, missing)
        different = table.differences(one_by_one)
        if different:
            raise CheckError(
                "a bar must have the same answer from candles as from a table, bit for bit",
                place=f"version {version.version}",
                value=f"{different} of {len(bars.timestamps)}",
                hint="This is a fault of gradus: report it with the feature order.",
            )

    def _span(self, bars: Dataset) -> tuple[int, int]:
        first = int(np.searchsorted(self._bars.timestamps, bars.timestamps[0])) if len(bars.timestamps) else 0
        return first, first + len(bars.timestamps)

    def _held(self, bars: Dataset, answers: WeekAnswers) -> Positions:
        first, last = self._span(bars)
        return hold_positions(self._bars, calls_of(answers, bars), bars.rule, first, last)

    def _money(self, week: Week, bars: Dataset, answers: WeekAnswers) -> WeekMoney:
        held = self._held(bars, answers)
        net = held.net(self._costs, bars.bar_ms)
        day = self._days(week, self._bars.timestamps[held.closed])
        reasons = np.bincount(held.reasons, minlength=len(ENDS))
        return WeekMoney(
            days=tuple(np.bincount(day, net, 7).tolist()),
            trades=tuple(np.bincount(day, minlength=7).tolist()),
            gross=float(held.gross.sum()),
            costs=float((held.gross - net).sum()),
            won=int((net > 0).sum()),
            longs=int((held.sides > 0).sum()),
            bars_held=int(held.bars.sum()),
            reasons={name: int(n) for name, n in zip(ENDS, reasons, strict=True)},
        )

    def _days(self, week: Week, stamps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        closes = stamps + self._bars.bar_ms - 1
        return np.asarray(np.clip((closes - week.start_ms) // _DAY_MS, 0, 6), dtype=np.int64)

    def _skill(self, week: Week, bars: Dataset, answers: WeekAnswers, own: WeekVersion) -> Floats:
        """Brier skill by bar, float64 [N]; NaN where no level served, or no label is known."""
        reach = (bars.rule.reach + 1) * bars.bar_ms
        known = (bars.labels >= 0) & (bars.timestamps + reach <= week.end_ms)
        known &= np.asarray(answers.levels != FALLBACK, dtype=np.bool_)
        came = np.eye(len(bars.classes))[np.maximum(bars.labels, 0)]
        priors = np.asarray(own.priors or [1 / len(bars.classes)] * len(bars.classes))
        base = ((priors - came) ** 2).sum(axis=1)
        said = ((answers.probabilities.astype(np.float64) - came) ** 2).sum(axis=1)
        return np.where(known, base - said, np.nan)

    def _regimes(self, bars: Dataset, own: WeekVersion) -> npt.NDArray[np.object_]:
        sigma = bars.sigma if bars.sigma is not None else np.full(len(bars.timestamps), np.nan)
        names = np.where(sigma <= own.calm, "calm", np.where(sigma > own.wild, "wild", "usual"))
        return np.where(np.isfinite(sigma), names, "unknown").astype(object)

    def _hold(self, week: Week, bars: Dataset) -> tuple[float, ...]:
        """What holding the market leaves on each day, its funding taken off."""
        if not len(bars.timestamps):
            return (0.0,) * 7
        first, last = self._span(bars)
        opens = self._bars.open if self._bars.open is not None else self._bars.close
        before = float(self._bars.close[first - 1]) if first else float(opens[first])
        moves = np.diff(np.log(np.concatenate([[before], self._bars.close[first:last]])))
        day = self._days(week, bars.timestamps)
        funding = 1e-4 * self._costs.funding_per_day
        return tuple((np.bincount(day, moves, 7) - funding).tolist())

    def _random(self, week: Week, bars: Dataset, answers: WeekAnswers) -> tuple[float, ...]:
        held = self._held(bars, answers)
        first, last = self._span(bars)
        rng = np.random.default_rng([self._seed, week.start_ms // _DAY_MS])
        drawn = []
        for _ in range(_DRAWS):
            gross, lengths = scattered(held, self._bars, first, last, rng)
            drawn.append(float((gross - self._costs.of_trades(lengths, bars.bar_ms)).sum()))
        return tuple(drawn)


def _counts(levels: npt.NDArray[np.object_]) -> dict[str, int]:
    names, counts = np.unique(levels.astype(str), return_counts=True)
    return {str(name): int(n) for name, n in zip(names, counts, strict=True)}


def stepped_down(answers: WeekAnswers, version: WeekVersion | None, levels: Sequence[str]) -> int:
    """Return how many bars another level served than the one that is asked first.

    Args:
        answers: Of the bars.
        version: That served; None for none.
        levels: All of its levels: where none is in service, they are asked in this order.
    """
    if version is None:
        return 0
    return int((answers.levels != (*version.service, *levels)[0]).sum())


def _by(skill: Floats, names: npt.NDArray[np.object_]) -> dict[str, Skill]:
    return {str(name): _sum(skill[names == name]) for name in np.unique(names.astype(str))}


def _sum(skill: Floats) -> Skill:
    known = np.isfinite(skill)
    return Skill(int(known.sum()), float(skill[known].sum()))
