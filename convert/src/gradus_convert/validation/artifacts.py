"""Checks an artifact whole: manifest, digests, graphs, golden rows; and a store with all its versions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from gradus_convert.graphs.feature_rules import check_features_graph
from gradus_convert.publishing.graph_rules import check_graph
from gradus_convert.validation import documents
from gradus_convert.validation.findings import Check, Finding, attempt, errors_in, from_error
from gradus_runtime.candles import read_golden_candles
from gradus_runtime.contracts import names
from gradus_runtime.contracts.features_graph import FeaturesGraph
from gradus_runtime.contracts.manifest import Level, Manifest
from gradus_runtime.errors import GradusError, IntegrityError
from gradus_runtime.serving.golden_replay import check_onnxruntime, read_golden, replay_golden_rows
from gradus_runtime.sessions.features_session import FeaturesSession, replay_golden_candles
from gradus_runtime.sessions.level_session import DEFAULT_MEMORY_BUDGET, LevelSession, block_rows
from gradus_runtime.store import Artifact, Store, open_artifact
from gradus_runtime.store.layout import VERSIONS
from gradus_runtime.store.verify import verify_store

__all__ = ["check_artifact", "check_store"]


def check_store(path: Path, *, pinned_only: bool = False) -> list[Check]:
    """Check a store: its records against its versions, then each version.

    Args:
        path: The store's folder.
        pinned_only: Check only the version that is pinned.
    """
    store = Store(path)
    return store.settled(lambda: _check_store(store, pinned_only))


def _check_store(store: Store, pinned_only: bool) -> list[Check]:
    path, subject = store.path, str(store.path)
    checks: list[Check] = []
    if pinned_only:
        checked, found = attempt(subject, "pin", subject, store.pinned)
        pin = found.pin if found else None
        if found and found.stale:
            checked = Check(subject, "pin", (Finding("error", f"{subject}: {found.stale}", subject),))
        elif pin is None and not checked.findings:
            checked = Check(subject, "pin", (Finding("error", f"{subject}: no version is pinned", subject),))
        versions: tuple[str, ...] = (pin.version,) if pin else ()
        checks.append(checked)
    else:
        problems = verify_store(store).problems
        checks.append(Check(subject, "records", tuple(Finding("error", p, subject) for p in problems)))
        versions = store.versions()
    for version in versions:
        checks += check_artifact(path / VERSIONS / version, partial(store.open, version))
    return checks


def check_artifact(path: Path, open_: Callable[[], Artifact] | None = None) -> list[Check]:
    """Check one version: a folder, an exported zip.

    Args:
        path: Where it is.
        open_: How to open it, if not by its path.

    Returns:
        The checks of its manifest, then "files", "digests", "onnxruntime", and for each level "graph LEVEL"
        and "golden rows LEVEL". What depends on a failed check is skipped.
    """
    subject = str(path)
    checks: list[Check] = []
    if path.is_dir():
        place = path / names.MANIFEST
        read_, data = attempt(str(place), "file", str(place), lambda: documents.read(place))
        checks += [read_] if data is None else documents.check_manifest(data, str(place))
        if errors_in(checks):
            return checks
    opened, artifact = attempt(subject, "files", subject, open_ or (lambda: open_artifact(path)))
    checks.append(opened)
    if artifact is None:
        return checks
    with artifact:
        return checks + _contents(artifact, subject)


def _contents(artifact: Artifact, subject: str) -> list[Check]:
    files: dict[str, bytes] = {}
    found: list[Finding] = []
    for entry in artifact.manifest.files:
        try:
            files[entry.name] = artifact.read(entry.name)
        except GradusError as e:
            found.append(from_error(e, f"{subject}/{entry.name}"))
    checks = [Check(subject, "digests", tuple(found))]
    manifest = artifact.manifest
    runtime, _ = attempt(subject, "onnxruntime", subject, lambda: check_onnxruntime(manifest))
    checks.append(runtime)
    for level in manifest.levels:
        graph, golden = f"graph {level.name}", f"golden rows {level.name}"
        file = f"{subject}/{level.file}"
        if level.file not in files:
            checks += [_skipped(subject, graph), _skipped(subject, golden)]
            continue
        checked, _ = attempt(subject, graph, file, partial(check_graph, files[level.file], manifest, level))
        checks.append(checked)
        if checked.findings or runtime.findings or manifest.golden.file not in files:
            checks.append(_skipped(subject, golden))
            continue
        checks.append(attempt(subject, golden, file, partial(_replay, manifest, level, files, subject))[0])
    if manifest.features_graph is not None:
        checks += _features(manifest.features_graph, files, subject)
    return checks


def _features(graph: FeaturesGraph, files: dict[str, bytes], subject: str) -> list[Check]:
    """Check the features graph, and replay its golden candles as the runtime does."""
    file = f"{subject}/{graph.file}"
    if graph.file not in files or graph.golden not in files:
        return [_skipped(subject, "features graph"), _skipped(subject, "golden candles")]
    checked, _ = attempt(
        subject, "features graph", file, lambda: check_features_graph(files[graph.file], file)
    )
    if checked.findings:
        return [checked, _skipped(subject, "golden candles")]

    def replay() -> None:
        golden = read_golden_candles(files[graph.golden], place=f"{subject}/{graph.golden}")
        session = FeaturesSession(files[graph.file], graph.spec)
        replay_golden_candles(session, golden, place=file)

    return [checked, attempt(subject, "golden candles", file, replay)[0]]


def _replay(manifest: Manifest, level: Level, files: dict[str, bytes], subject: str) -> None:
    """Prove a level as the runtime does when it opens it."""
    golden = read_golden(files[manifest.golden.file], f"{subject}/{manifest.golden.file}")
    if len(golden.features) != manifest.golden.rows:
        raise IntegrityError(
            f"there must be {manifest.golden.rows} golden rows",
            place=f"{subject}/{manifest.golden.file}",
            value=len(golden.features),
        )
    width = len(manifest.level_features(level))
    session = LevelSession(
        files[level.file],
        level,
        width=width,
        classes=len(manifest.classes),
        threads=1,
        block=block_rows(level, width, DEFAULT_MEMORY_BUDGET),
        prove=lambda session: replay_golden_rows(session, manifest, level, golden),
    )
    session.for_tables()


def _skipped(subject: str, name: str) -> Check:
    return Check(subject, name, skipped="a check before it failed")
