"""The door of the walk: a market, a procedure and weeks in; what came of it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gradus_live.costs import Costs
from gradus_live.labels import sentence
from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.errors import UsageError
from gradus_runtime.serving.pin_check import check_servable
from gradus_runtime.store import Store
from gradus_runtime.store.whole_file import write_whole
from gradus_runtime.wording import counted
from gradus_train.training.folder_lock import held
from gradus_train.training.pools import Pool
from gradus_train.training.progress import Progress, Silent
from gradus_train.walk import totals
from gradus_train.walk.ahead import Ahead
from gradus_train.walk.chance import chance_of, figures_of
from gradus_train.walk.market_history import History
from gradus_train.walk.outages import Outages
from gradus_train.walk.result import FORMAT, WalkResult, WeekResult
from gradus_train.walk.serving import REQUIRE, in_service
from gradus_train.walk.versions import Procedure, WeekVersion, Workshop
from gradus_train.walk.week import Judge, Served
from gradus_train.walk.week_answers import check_sides
from gradus_train.walk.weeks import Week

__all__ = ["WALK_FILE", "walk"]

WALK_FILE = "walk.json"
RULES = (
    "One unit: a call opens a position at the next bar's open if none is open.",
    "An opposite call closes it at the next bar's open and opens the other side there.",
    "It is closed at a barrier of the label, where it has barriers (within a bar the stop first), and at the "
    "close of the last bar of the label's reach.",
    "A week ends flat: at its last close every position is closed, and its last call opens nothing.",
)


@dataclass(frozen=True, slots=True)
class _Walked:
    """The versions of the weeks, and those in service under the walk's rule."""

    versions: list[WeekVersion]
    serving: list[WeekVersion | None]


def walk(
    history: History,
    procedure: Procedure,
    weeks: Sequence[Week],
    out: Path,
    *,
    market: str,
    require: str = "integrity",
    outages: Outages | None = None,
    pool: Pool,
    progress: Progress | None = None,
) -> WalkResult:
    """Replay the weekly procedure.

    For each week: train on what was known at its start, hold the run against the gates, convert, publish; pin
    if it may serve; let the runtime answer every bar of the week. Versions that are in `out` already are
    taken over where all that they depend on is the same.

    Args:
        history: The market.
        procedure: What is done each week.
        weeks: In time order.
        out: The walk's folder.
        market: What the market is called, for whoever reads the result.
        require: "integrity" pins whatever passes the integrity gates, "direction" only what also has that
            verdict, or a better one.
        outages: Groups of features that are missing.
        pool: Where parts are trained; it has begun. The result does not depend on it.
        progress: Told of every part.

    Raises:
        UsageError: `out` is in use; the history ends before the last week does.
        GradusError: As training, conversion and serving.
    """
    if require not in REQUIRE:
        raise UsageError(f"require must be {' or '.join(REQUIRE)}", place="--require", value=require)
    check_sides(history.rule)
    _check_span(history, weeks)
    told = progress or Silent()
    with _held(out):
        store = out / "store" / "walk"
        shop = Workshop(out, store, procedure)
        with Ahead(pool) as hands:
            walked = _versions(history, weeks, shop, require, hands, told)
        judge = Judge(
            history,
            store,
            procedure.costs,
            outages or Outages(),
            levels=procedure.levels,
            seed=procedure.config.seed,
        )
        results = _with_tuning(_judged(weeks, walked, judge, require, told), shop, history, procedure.costs)
        result = _whole(history, procedure, weeks, results, require, market)
        value = {"format": FORMAT, "walk": codec.encode(result)}
        write_whole(out / WALK_FILE, strict_json.canonical_bytes(value))
    return result


def _versions(
    history: History, weeks: Sequence[Week], shop: Workshop, require: str, pool: Ahead, told: Progress
) -> _Walked:
    versions: list[WeekVersion] = []
    for week, following in zip(weeks, [*weeks[1:], None], strict=True):
        serving = in_service(versions, require, "weekly")
        version = shop.make(
            history,
            week,
            serving[-1] if serving else None,
            following=following,
            pool=pool,
            progress=told,
        )
        versions.append(version)
        pinned = "pinned" if version.may_serve(require) else "not pinned"
        words = version.problem or f"verdict {version.verdict}, {pinned}"
        told.say(f"[{week.number}/{len(weeks)}] {week.name}: {words}")
        if version.may_serve(require) and version.version is not None:
            _pin(shop.store, version.version)
    return _Walked(versions, in_service(versions, require, "weekly"))


def _pin(store: Path, version: str) -> None:
    """Pin a version, unless a later one is pinned already: a walk that goes on does not go back."""
    there = Store(store)
    state = there.pin_state()
    if state is None or state.version != version:
        there.pin(version, actor="gradus walk", check=check_servable)


def _judged(
    weeks: Sequence[Week], walked: _Walked, judge: Judge, require: str, told: Progress
) -> tuple[WeekResult, ...]:
    beside = "direction" if require == "integrity" else "integrity"
    others = {
        beside: in_service(walked.versions, beside, "weekly"),
        "monthly": in_service(walked.versions, require, "monthly"),
        "never": in_service(walked.versions, require, "never"),
    }
    told.say(f"Answering the bars of {counted(len(weeks), 'week')}, those of the last one by one")
    return tuple(
        judge.judge(
            week,
            Served(
                walked.versions[i], walked.serving[i], {name: serving[i] for name, serving in others.items()}
            ),
            bar_by_bar=i == len(weeks) - 1,
        )
        for i, week in enumerate(weeks)
    )


def _with_tuning(
    results: Sequence[WeekResult], shop: Workshop, history: History, costs: Costs
) -> tuple[WeekResult, ...]:
    bar_ms = history.whole.bar_ms
    return tuple(
        replace(r, tuning=tuple(figures_of(s, costs, bar_ms) for s in shop.studies.get(r.name, ())))
        for r in results
    )


def _whole(
    history: History,
    procedure: Procedure,
    weeks: Sequence[Week],
    results: tuple[WeekResult, ...],
    require: str,
    market: str,
) -> WalkResult:
    seed = procedure.config.seed
    last = results[-1]
    return WalkResult(
        market=market,
        costs_of=procedure.costs.market,
        simulated=history.whole.simulated,
        first=weeks[0].name,
        last=weeks[-1].last_day.isoformat(),
        require=require,
        train_days=procedure.train_days,
        label=sentence(history.rule),
        per_side=procedure.costs.per_side,
        rules=RULES,
        weeks=results,
        money=totals.money_of(results, seed=seed),
        lines=totals.side_by_side(results, procedure.costs, require=require, seed=seed),
        levels=_sum_of([w.levels for w in results]),
        stepped_down=sum(w.stepped_down for w in results),
        skill=totals.skill_of([w.skill for w in results], seed=seed),
        regimes=totals.skill_of([w.regimes for w in results], seed=seed),
        outage_cost=totals.outage_cost(results),
        outage_skill=totals.outage_skill(results),
        refusals=totals.refusals_of(results),
        quick_proof=procedure.quick_proof,
        chance=chance_of([w.tuning for w in results], totals.days_of(results)),
        bar_by_bar=last.bars if last.served is not None else 0,
    )


def _sum_of(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return dict(sorted(total.items()))


def _check_span(history: History, weeks: Sequence[Week]) -> None:
    end = int(history.whole.timestamps[-1]) + history.whole.bar_ms
    late = [w for w in weeks if w.end_ms > end]
    if late:
        whole = len(weeks) - len(late)
        raise UsageError(
            "candles must go on to the end of the last week",
            place="--to",
            value=weeks[-1].last_day.isoformat(),
            hint=f"They end with {history.whole.data_end}: "
            f"{counted(whole, 'whole week is', 'whole weeks are')} there.",
        )


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the walk's folder for this process alone.

    Raises:
        UsageError: Another process holds it, or it holds something else.
    """
    others = sorted(p.name for p in out.iterdir() if p.name not in _KNOWN) if out.is_dir() else []
    if others:
        raise UsageError("--out must be new, empty, or a walk's folder", place=str(out), value=others[:5])
    with held(out, "one process may walk in a folder at a time", out=out):
        yield


_KNOWN = frozenset({"lock", "parts", "tables", "store", "weeks", WALK_FILE, "walk.html"})
