"""Makes the decisions of a journal anew and compares their bits, on the way that serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from gradus_runtime.contracts.manifest import EXACT
from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.errors import GradusError, let_signals_through
from gradus_runtime.journal.line import DecisionLine, bits_of
from gradus_runtime.records import dataclass
from gradus_runtime.routing.guard import TAKEN
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.serving.settings import Settings
from gradus_runtime.serving.single_row import Decider
from gradus_runtime.store import Artifact
from gradus_runtime.wording import counted

__all__ = ["REPLAY_TOLERANCE", "LevelReplay", "ReplayReport", "replay"]

REPLAY_TOLERANCE = 2e-6
"""For levels without exact bits: the largest difference of a probability between machines."""
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class LevelReplay:
    """The lines of one level of one version.

    Attributes:
        version: Of the artifact.
        level: Its name, or "fallback".
        bits: "exact": the same 32 bits are due; "2e-6": that distance is allowed.
        lines: Replayed.
        same: With the same bits.
        close: With other bits, within what is allowed.
        different: With another answer.
    """

    version: str
    level: str
    bits: str
    lines: int
    same: int
    close: int
    different: int


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What `replay` found.

    Attributes:
        levels: By version and level.
        replayed: Lines replayed.
        different: Lines with another answer.
        differences: A text for each of the first of them.
        without_row: Lines that hold no row.
        missing: Versions that could not be opened, with the reason; the number of lines stands there.
    """

    levels: tuple[LevelReplay, ...]
    replayed: int
    different: int
    differences: tuple[str, ...]
    without_row: int
    missing: tuple[str, ...]


def replay(lines: Sequence[DecisionLine], open_version: Callable[[str], Artifact]) -> ReplayReport:
    """Make decisions anew from their rows, and compare.

    Args:
        lines: Of any versions and levels.
        open_version: Opens a version for reading; raises `GradusError` where there is none.
    """
    by_version: dict[tuple[str, str, str], list[DecisionLine]] = {}
    for line in lines:
        by_version.setdefault((line.artifact, line.version, line.digest), []).append(line)
    levels: list[LevelReplay] = []
    differences: list[str] = []
    missing: list[str] = []
    without = 0
    for (name, version, digest), part in by_version.items():
        try:
            artifact = open_version(version)
        except GradusError as e:
            let_signals_through(e)
            missing.append(f"{name} {version}: {counted(len(part), 'line')}: {e}")
            continue
        with artifact:
            if artifact.digest != digest:
                missing.append(f"{name} {version}: {counted(len(part), 'line')}: made by the digest {digest}")
                continue
            rows = [line for line in part if line.row is not None or line.level == FALLBACK]
            without += len(part) - len(rows)
            for level in sorted({line.level for line in rows}):
                those = [line for line in rows if line.level == level]
                levels.append(_level(artifact, level, those, differences))
    different = sum(level.different for level in levels)
    replayed = sum(level.lines for level in levels)
    return ReplayReport(
        tuple(levels), replayed, different, tuple(differences[:_SHOWN]), without, tuple(missing)
    )


def _level(artifact: Artifact, name: str, lines: Iterable[DecisionLine], found: list[str]) -> LevelReplay:
    manifest = artifact.manifest
    bits = next((level.bits for level in manifest.levels if level.name == name), EXACT)
    answer = _fallback(artifact) if name == FALLBACK else _answers(artifact, name)
    counts: Counter[str] = Counter()
    for line in lines:
        again, action, level = answer(line)
        what = _compare(line, again, action, level, bits)
        counts[what] += 1
        if what == "different":
            found.append(
                f"{line.id}: {line.version} {line.level} {line.action} {line.bits}, "
                f"but now {level} {action} {again}"
            )
    total = sum(counts.values())
    return LevelReplay(
        manifest.version, name, bits, total, counts["same"], counts["close"], counts["different"]
    )


Answer = Callable[[DecisionLine], tuple[str, str, str]]


def _answers(artifact: Artifact, name: str) -> Answer:
    """A function that makes the decisions of one level anew: its bits, action and level."""
    if name not in [level.name for level in artifact.manifest.levels]:
        return lambda line: ("", "", "no such level")
    artifact.first_level = name
    versions = {guard: _serving(artifact, guard) for guard in ("off", "step_down")}
    deciders = {guard: Decider(serving) for guard, serving in versions.items()}
    names = versions["off"].schema.names

    def answer(line: DecisionLine) -> tuple[str, str, str]:
        values = line.values
        if values is None or len(values) != len(names):
            return "", "", "a row of another width"
        fill = {name: value for name, value in (line.fill or {}).items() if name in names}
        asked = line.threshold is not None
        guard = "step_down" if any(reason.startswith(TAKEN) for reason in line.reasons) else "off"
        decider, serving = deciders[guard], versions[guard]
        request = serving.request(fill, (), name, line.threshold, asked, cutoff=line.cutoff)
        decision = decider.decide(dict(zip(names, values.tolist(), strict=True)), request)
        return bits_of(list(decision.probabilities.values())), decision.action, decision.level

    return answer


def _serving(artifact: Artifact, guard: str) -> ServedVersion:
    settings = Settings(drift=False, release_after=None, guard=guard)
    return ServedVersion(artifact, settings, clock=lambda: 0.0)


def _fallback(artifact: Artifact) -> Answer:
    policy = artifact.manifest.decision
    bits = bits_of(policy.fallback_probabilities)
    return lambda line: (bits, policy.fallback_action, FALLBACK)


def _compare(line: DecisionLine, bits: str, action: str, level: str, due: str) -> str:
    if level != line.level or len(bits) != len(line.bits):
        return "different"
    if bits == line.bits:
        return "same" if action == line.action else "different"
    if due == EXACT:
        return "different"
    again = np.frombuffer(bytes.fromhex(bits), ">f4").astype(np.float64)
    distance = float(np.abs(again - line.probabilities).max())
    return "close" if distance <= REPLAY_TOLERANCE else "different"
