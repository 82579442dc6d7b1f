"""The versions of a store at a glance."""

from __future__ import annotations

import os
from collections.abc import Mapping

from gradus_runtime.contracts import names, strict_json
from gradus_runtime.errors import GradusError, let_signals_through
from gradus_runtime.records import dataclass
from gradus_runtime.store import disk
from gradus_runtime.store.layout import VERSIONS
from gradus_runtime.store.store import Store

__all__ = ["Listed", "list_versions"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A version. `metrics` are by level; `size` is in bytes; `problem` says why the rest is unknown."""

    version: str
    pinned: bool
    created: str | None
    data_start: str | None
    data_end: str | None
    simulated: bool
    metrics: Mapping[str, Mapping[str, float]]
    size: int
    digest: str
    problem: str | None
    verdict: str | None = None


def list_versions(store: Store) -> tuple[Listed, ...]:
    """Describe every version, oldest first. Manifests are proved, the other files are not read.

    Raises:
        GradusError: As `Store.versions` and `Store.pin_state`.
    """
    return store.settled(lambda: _list(store))


def _list(store: Store) -> tuple[Listed, ...]:
    pin = store.pin_state()
    return tuple(_describe(store, v, pin is not None and pin.version == v) for v in store.versions())


def _describe(store: Store, version: str, pinned: bool) -> Listed:
    created = _created(store, version)
    try:
        with store.open(version) as artifact:
            m, digest = artifact.manifest, artifact.digest
    except GradusError as e:
        let_signals_through(e)
        return Listed(version, pinned, created, "", "", False, {}, 0, "", str(e))
    return Listed(
        version,
        pinned,
        created,
        m.provenance.data_start,
        m.provenance.data_end,
        m.provenance.simulated,
        {level.name: level.metrics for level in m.levels},
        sum(f.size for f in m.files),
        digest,
        None,
        None if m.verdict is None else m.verdict.name,
    )


def _created(store: Store, version: str) -> str | None:
    """When `build.json` says it was built: for people, nothing depends on it."""
    place = store.path / VERSIONS / version
    try:
        folder = disk.open_folder(place)
        try:
            data = disk.read_small(folder, names.BUILD, strict_json.MAX_BYTES, place=str(place))
        finally:
            os.close(folder)
        value = strict_json.parse(data or b"{}", place=names.BUILD)
    except (GradusError, OSError) as e:
        let_signals_through(e)
        return None
    created = value.get("created") if isinstance(value, dict) else None
    return created if isinstance(created, str) else None
