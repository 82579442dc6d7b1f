"""A version a week: trained on what was known, held against the gates, converted, published."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradus_live.costs import Costs
from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.errors import CheckError, DataError, StoreError
from gradus_runtime.store import Store
from gradus_runtime.store.whole_file import write_whole
from gradus_train import __version__
from gradus_train.config import TrainingConfig
from gradus_train.evaluation.gates import Gate
from gradus_train.run.run import Outcome, train
from gradus_train.training.parts import PartStore
from gradus_train.training.prepare import Plan, latest_days, prepare
from gradus_train.training.progress import Progress
from gradus_train.walk.ahead import Ahead
from gradus_train.walk.conversion import Converted, convert, prove
from gradus_train.walk.market_history import History
from gradus_train.walk.tuning import Study, tune, with_chosen
from gradus_train.walk.weeks import Week

__all__ = ["Procedure", "WeekVersion", "Workshop", "plan_of"]

FILE = "version.json"
_MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Procedure:
    """What is done each week.

    Attributes:
        config: How to train.
        train_days: Days before the week that are trained on.
        gates: What a run is held against.
        costs: What a trade costs.
        artifact: `artifact.toml`.
        levels: Names of the levels to train.
        quick_proof: Prove versions on rows without the thresholds of their trees; the last one is also proved
            on every threshold.
        trials: Trials in each week's search of parameters, by level and member; 0 searches none.
    """

    config: TrainingConfig
    train_days: int
    gates: tuple[Gate, ...]
    costs: Costs
    artifact: Path
    levels: tuple[str, ...]
    quick_proof: bool = False
    trials: int = 0


@dataclass(frozen=True, slots=True)
class WeekVersion:
    """What a week's training gave.

    Attributes:
        week: Name of the week.
        version: Of the artifact; None where there is none, see `problem`.
        digest: Of its manifest.
        problem: Why nothing could be trained or converted; None if it could.
        passed: Whether no integrity gate failed.
        refusals: What the integrity gates that failed said.
        verdict: "none", "moves", "direction" or "tradable".
        sentence: The verdict's first sentence.
        service: The levels in service, in order.
        rows: Rows that the shipped models were fitted on.
        priors: Shares of the classes among them, by class.
        calm: Volatility of a bar below which a third of these rows lie.
        wild: And above which a third lie.
    """

    week: str
    version: str | None
    digest: str | None
    problem: str | None
    passed: bool
    refusals: tuple[str, ...]
    verdict: str
    sentence: str
    service: tuple[str, ...]
    rows: int
    priors: tuple[float, ...]
    calm: float
    wild: float

    def may_serve(self, require: str) -> bool:
        """Whether it may be pinned: "integrity" asks for the gates, "direction" for the verdict, too."""
        known = require != "direction" or self.verdict in ("direction", "tradable")
        return self.version is not None and self.passed and known


def plan_of(history: History, week: Week, procedure: Procedure) -> Plan:
    """Plan the training of a week: what `gradus train --days` would plan at its start.

    Raises:
        DataError: Too few rows were known by then.
    """
    known = history.known_at(week.start_ms)
    recent = known.select(latest_days(known, procedure.train_days))
    return prepare(recent, history.order, procedure.config, procedure.levels)


class Workshop:
    """Makes the versions of a walk, or finds them made.

    Args:
        out: The walk's folder: `parts` are kept there, `weeks/WEEK` holds what a week gave.
        store: The artifact store.
        procedure: What is done each week.

    Attributes:
        studies: By week, what its search of parameters tried.
    """

    def __init__(self, out: Path, store: Path, procedure: Procedure) -> None:
        self.store = store
        self._out = out
        self._parts = PartStore(out / "parts")
        self._procedure = procedure
        self._planned: dict[str, Plan] = {}
        self.studies: dict[str, tuple[Study, ...]] = {}

    def _begin(self, history: History, week: Week, pool: Ahead) -> None:
        """Begin the parts of a week that do not depend on what is pinned by then."""
        if self._procedure.trials:
            return  # the parts are known when the search is done
        if pool.width > 1 and not (self._out / "weeks" / week.name / FILE).exists():
            with suppress(DataError):  # `make` says it
                plan = self._planned[week.name] = plan_of(history, week, self._procedure)
                pool.begin(plan, self._parts)

    def make(
        self,
        history: History,
        week: Week,
        before: WeekVersion | None,
        *,
        following: Week | None,
        pool: Ahead,
        progress: Progress,
    ) -> WeekVersion:
        """Return the version of a week.

        Args:
            history: The market.
            week: The week that it is for.
            before: The version that is pinned: gates compare with it.
            following: The week after it, whose parts are begun while this week's run is converted.
            pool: Where parts are trained.
            progress: Told of every part.

        Raises:
            GradusError: As training and conversion.
        """
        try:
            plan = self._planned.pop(week.name, None) or plan_of(history, week, self._procedure)
        except DataError as e:
            return _nothing(week, str(e))
        if self._procedure.trials:
            plan = self._tuned(plan, week, pool, progress)
        key = self._key(plan, before)
        thresholds = following is None or not self._procedure.quick_proof
        kept = self._kept(week, key, thresholds=thresholds)
        if kept is not None:
            return kept
        folder = self._out / "weeks" / week.name
        run = folder / "run"
        outcome = train(
            plan,
            run,
            pool=pool,
            progress=progress,
            gates=self._procedure.gates,
            pinned_store=None if before is None else self.store,
            pinned_version=None if before is None else before.version,
            costs=self._procedure.costs,
            parts=self._parts,
        )
        if following is not None:
            self._begin(history, following, pool)
        progress.say(f"{week.name}: converting")
        made = self._converted(run, week, thresholds=thresholds)
        version = _version(week, plan, outcome, made)
        value = {"key": key, "thresholds": thresholds, "version": codec.encode(version)}
        write_whole(folder / FILE, strict_json.canonical_bytes(value))
        shutil.rmtree(run / "levels")  # the models are in the store, and among the parts
        (run / "oof.npz").unlink()
        (run / "holdout.npz").unlink()
        return version

    def _tuned(self, plan: Plan, week: Week, pool: Ahead, progress: Progress) -> Plan:
        """Search the week's parameters, and plan with them."""
        folder = self._out / "weeks" / week.name
        found = tune(plan, folder, trials=self._procedure.trials, pool=pool, progress=progress)
        self.studies[week.name] = found
        return prepare(plan.dataset, plan.order, with_chosen(plan.config, found), self._procedure.levels)

    def _converted(self, run: Path, week: Week, *, thresholds: bool) -> Converted:
        """Convert a run.

        After a quick proof that one is published, also where the thresholds are proved on top of it: so no
        version's bytes depend on whether a week comes after it.

        Raises:
            CheckError: The thresholds do not hold.
        """
        p = self._procedure
        made = convert(run, self.store, p.artifact, week.version, quick=p.quick_proof)
        if thresholds and p.quick_proof and made.version is not None:
            problem = prove(run, self.store, p.artifact, week.version)
            if problem is not None:
                raise CheckError(
                    "the last version must hold on every threshold", place=week.name, cause=problem
                )
        return made

    def _key(self, plan: Plan, before: WeekVersion | None) -> str:
        """Digest of all that a version depends on."""
        p, data = self._procedure, plan.dataset
        facts = {
            "gradus": __version__,
            "data": [data.data_sha256, data.data_start, data.data_end, data.simulated],
            "parts": [t.key.digest for level in plan.levels for t in level.tasks],
            "config": p.config.to_json(),
            "order": plan.order.to_json(),
            "gates": [codec.encode(g) for g in p.gates],
            "costs": codec.encode(p.costs),
            "artifact": p.artifact.read_text("utf-8"),
            "pinned": None if before is None else before.digest,
        }
        if p.quick_proof:
            facts["proof"] = "quick"
        return hashlib.sha256(strict_json.canonical_bytes(facts)).hexdigest()

    def _kept(self, week: Week, key: str, *, thresholds: bool) -> WeekVersion | None:
        """Return what was made of the same before, if it is whole, and proved as it must be."""
        path = self._out / "weeks" / week.name / FILE
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        value = strict_json.parse(data, place=str(path), max_bytes=_MAX_BYTES, error=DataError)
        if not isinstance(value, dict) or value.get("key") != key:
            return None
        if thresholds and value.get("thresholds") is False:
            return None
        version = codec.decode(WeekVersion, value.get("version"), place=f"{path}: version", error=DataError)
        if version.version is None:
            return version
        try:
            with Store(self.store).open(version.version) as artifact:
                return version if artifact.digest == version.digest else None
        except StoreError:
            return None


def _version(week: Week, plan: Plan, outcome: Outcome, made: Converted) -> WeekVersion:
    labels, sigma = plan.dataset.labels, plan.dataset.sigma
    used = np.logical_or.reduce([level.usable for level in plan.levels])
    shares = np.bincount(labels[used], minlength=len(plan.dataset.classes)) / max(1, int(used.sum()))
    known = sigma[np.isfinite(sigma)] if sigma is not None else np.zeros(0)
    calm, wild = (float(q) for q in np.quantile(known, [1 / 3, 2 / 3])) if len(known) else (0.0, 0.0)
    details = outcome.details
    return WeekVersion(
        week=week.name,
        version=made.version,
        digest=made.digest,
        problem=made.problem,
        passed=outcome.run.gate_passed is not False,
        refusals=tuple(g.text for g in details.gates if g.kind == "integrity" and g.holds is False),
        verdict=details.verdict.name,
        sentence=details.verdict.sentences[0],
        service=details.service.levels,
        rows=outcome.run.provenance.rows,
        priors=tuple(float(s) for s in shares),
        calm=calm,
        wild=wild,
    )


def _nothing(week: Week, problem: str) -> WeekVersion:
    return WeekVersion(week.name, None, None, problem, False, (), "none", "", (), 0, (), 0.0, 0.0)
