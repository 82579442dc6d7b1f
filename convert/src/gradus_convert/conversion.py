"""From a run folder to a published version: read, compile, prove, publish, pin."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from gradus_convert import runs
from gradus_convert.artifact import BuiltArtifact, build_artifact
from gradus_convert.config import ArtifactConfig
from gradus_convert.graphs.types import Encoding
from gradus_convert.publishing.publish import publish_version
from gradus_runtime.contracts import names
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.errors import UsageError
from gradus_runtime.serving.pin_check import check_servable
from gradus_runtime.store import Store, disk
from gradus_runtime.store.layout import VERSIONS
from gradus_runtime.store.pin_file import Pin
from gradus_runtime.store.write_lock import acting

__all__ = [
    "Conversion",
    "artifact_name",
    "check_proof",
    "convert_run",
    "keeps_pin",
    "next_version",
    "publish_built",
]

Say = Callable[[str], None]


def _silent(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Conversion:
    """A proved artifact, and what became of it.

    Attributes:
        manifest: Its contract.
        sizes: Bytes of each of its files, by name.
        path: Where it is published; None if it is not.
        pin: The pin, if it was pinned.
        seconds: What compiling and proving took.
        remarks: What a person should know of it, a sentence each.
    """

    manifest: Manifest
    sizes: Mapping[str, int]
    path: Path | None
    pin: Pin | None
    seconds: float
    remarks: tuple[str, ...]


def convert_run(
    run: Path,
    store: Path,
    *,
    config: ArtifactConfig,
    version: str | None = None,
    encoding: Encoding = "compact",
    levels: Collection[str] = (),
    drop: Collection[str] = (),
    third_opinion: bool = True,
    quick_proof: bool = False,
    check_gate: bool = True,
    publish: bool = True,
    pin: bool = False,
    pin_anyway: bool = False,
    actor: str | None = None,
    progress: Say = _silent,
) -> Conversion:
    """Compile the levels of a finished run, prove them, and publish them as one version.

    Args:
        run: The run folder.
        store: The store's folder, `artifacts/NAME`; created if need be.
        config: Of the artifact.
        version: A calendar version; by default today's, in UTC, with `.postN` where it is taken.
        encoding: Of the graphs.
        levels: Names of the levels to take; all by default.
        drop: Names of members to leave out; the weights of the others are divided by their sum.
        third_opinion: Whether the stock converters are asked too, for the card.
        quick_proof: Whether the proof leaves the thresholds of the trees out; such a version is not pinned
            here.
        check_gate: Whether a run whose gate failed is refused.
        publish: False to prove only.
        pin: Pin the version as well, if the onnxruntime of this machine can serve it. One whose verdict is
            none is pinned only where no other is.
        pin_anyway: Pin that one, too.
        actor: Who does it, for the history; the user by default.
        progress: Told what begins.

    Raises:
        CheckError: The run's gate failed.
        UsageError: Not a version's name, or no text for an actor; pinning after a quick proof.
        DataError: The run is not finished, or does not fit together.
        ConfigError: The configuration does not fit the run.
        IntegrityError: A file is not the one that training wrote.
        InexactModelError: A member has no exact form.
        ParityError: A level does not answer as its libraries do.
        StoreError: The version is there with other bytes, or the store is of another artifact.
        EnvironmentFailedError: The disk failed.
    """
    started = time.perf_counter()
    check_proof(quick=quick_proof, pin=pin or pin_anyway)
    if check_gate:
        runs.check_gate(run)
    version = version or next_version(store)
    names.parse_version(version, place="version")
    acting(actor)  # refused before the work, not after it
    config = replace(config, name=artifact_name(config, store))
    with _fewer_collections():
        spec = runs.read(
            run,
            config,
            version=version,
            encoding=encoding,
            only=levels,
            drop=drop,
            third_opinion=third_opinion,
            quick_proof=quick_proof,
            progress=progress,
        )
        built = build_artifact(spec, progress)
    seconds = time.perf_counter() - started
    return publish_built(
        built,
        store if publish else None,
        pin=pin,
        pin_anyway=pin_anyway,
        actor=actor,
        seconds=seconds,
        progress=progress,
    )


def check_proof(*, quick: bool, pin: bool) -> None:
    """Refuse to pin what is proved quickly.

    Raises:
        UsageError: Both are asked for.
    """
    if quick and pin:
        raise UsageError(
            "a version must be proved on every threshold before it is pinned",
            place="--quick-proof",
            hint="Leave --quick-proof out: it is for versions that are measured and not served.",
        )


def keeps_pin(store: Store, manifest: Manifest) -> str | None:
    """Return why the old pin stays, as a sentence; None where the version may be pinned.

    A version that knows nothing takes no bot away from one that may; where nothing is pinned yet it is better
    than no answer.
    """
    if manifest.verdict is None or manifest.verdict.name != "none":
        return None
    before = store.pin_state()
    if before is None or before.version == manifest.version:
        return None
    return (
        f"{manifest.version} is published and not pinned, as its verdict is none: {before.version} stays "
        "pinned (--pin-anyway pins it)"
    )


def artifact_name(config: ArtifactConfig, store: Path) -> str:
    """Return the configured name of an artifact, or that of the store's folder where there is none.

    Raises:
        UsageError: The folder's name is none that an artifact may have.
    """
    name = config.name or store.resolve().name
    if not names.is_artifact_name(name):
        raise UsageError(
            "a store's folder must be named as the artifact: lower-case words joined by single hyphens",
            place="--store",
            value=name,
            hint="Name the artifact in artifact.toml, or the store artifacts/btc-jpy.",
        )
    return name


def publish_built(
    built: BuiltArtifact,
    store: Path | None,
    *,
    pin: bool = False,
    pin_anyway: bool = False,
    actor: str | None = None,
    seconds: float,
    progress: Say = _silent,
) -> Conversion:
    """Publish what was built, and pin it if asked for.

    Args:
        built: The proved artifact.
        store: The store's folder; None to publish nothing.
        pin: Pin the version as well, if the onnxruntime of this machine can serve it. One whose verdict is
            none is pinned only where no other is.
        pin_anyway: Pin that one, too.
        actor: Who does it, for the history; the user by default.
        seconds: What building took, for `build.json`.
        progress: Told what begins.

    Raises:
        GradusError: As `publish_version` and `Store.pin`.
    """
    manifest = built.manifest
    sizes = {name: len(data) for name, data in built.files.items()}
    if store is None:
        return Conversion(manifest, sizes, None, None, seconds, built.remarks)
    progress("publishing")
    facts = {"conversion_seconds": round(seconds, 3), "processors": os.cpu_count() or 1}
    done = publish_version(store, manifest, built.files, facts, actor)
    kept = keeps_pin(Store(store), manifest) if pin and not pin_anyway else None
    if kept is not None:
        progress(kept)
    pinned = None
    if pin and kept is None:
        pinned = Store(store).pin(manifest.version, actor=actor, check=check_servable)
    return Conversion(manifest, sizes, done.path, pinned, seconds, built.remarks)


def next_version(store: Path, today: date | None = None) -> str:
    """Name the next version of a day, with .postN when the store has, or ever had, that one.

    Args:
        store: Folder of the store; it may not exist yet.
        today: The day that names the version; the day of the clock, in UTC, if not given.
    """
    today = today or datetime.now(UTC).date()
    version = f"{today.year}.{today.month}.{today.day}"
    taken: set[str] = set()
    with disk.failing("a store must be readable", str(store), reading=True):
        is_store = disk.is_folder(store / VERSIONS)
    if is_store:
        taken = {*Store(store).versions(), *(e.version for e in Store(store).history())}
    number = 0
    candidate = version
    while candidate in taken:
        number += 1
        candidate = f"{version}.post{number}"
    return candidate


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Look for garbage less often: models are read into millions of objects, none of them in a cycle."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
