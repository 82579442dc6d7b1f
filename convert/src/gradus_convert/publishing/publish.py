"""Publish: a version appears in a store whole, proved and synced, or not at all."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gradus_convert.graphs.feature_rules import check_features_graph
from gradus_convert.publishing.graph_rules import check_graph
from gradus_runtime.contracts import manifest as manifests
from gradus_runtime.contracts import names, strict_json
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.contracts.texts import MAX_CHARACTERS, check_text, shown
from gradus_runtime.errors import IntegrityError, StoreError
from gradus_runtime.store import Store, disk, history_file, steps, write_lock
from gradus_runtime.store.artifact import Artifact, seal
from gradus_runtime.store.carrier import FolderCarrier
from gradus_runtime.store.history_file import Event
from gradus_runtime.store.layout import STAGED, VERSIONS
from gradus_runtime.store.version_folder import VanishedError, open_version
from gradus_runtime.store.write_lock import Writing

__all__ = ["VersionFolder", "publish_version"]

BuildFact = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class VersionFolder:
    """A published version. `created` is false where the same bytes had been published before."""

    path: Path
    version: str
    digest: str
    created: bool


def publish_version(
    store_path: Path,
    manifest: Manifest,
    files: Mapping[str, bytes],
    build_facts: Mapping[str, BuildFact],
    actor: str | None = None,
    *,
    manifest_bytes: bytes | None = None,
) -> VersionFolder:
    """Publish a version into a store, creating the store if need be.

    The files are written into a hidden sibling folder, synced, read back and proved, and the folder renamed
    to the version's name. Publishing the same bytes again changes nothing.

    Args:
        store_path: The store's folder, `artifacts/NAME`.
        manifest: Lists every file.
        files: Bytes of each listed file, by name.
        build_facts: What `build.json` says beside time and actor: facts of the host, timings.
        actor: Who does it, for the history; the user by default.
        manifest_bytes: The bytes of `manifest.json` if it was published before, in whatever format; those of
            the manifest by default.

    Returns:
        Where it is.

    Raises:
        UsageError: The actor, or a fact, is no text for a line of a file.
        ManifestError: The manifest breaks a rule.
        IntegrityError: Files are not what the manifest lists, or a graph is not fit to be published.
        StoreError: The version is there with other bytes, or the store is of another artifact.
        EnvironmentFailedError: The disk failed. The message says if the version is published nevertheless.
    """
    data = manifest.to_bytes() if manifest_bytes is None else manifest_bytes
    manifests.parse(data, place=names.MANIFEST)
    _check_files(manifest, files)
    digest = hashlib.sha256(data).hexdigest()
    who = write_lock.acting(actor)
    for key, fact in build_facts.items():
        if isinstance(fact, str):
            check_text(fact, "a fact of the build", place=key)
    created = write_lock.now_text()
    host = shown(platform.node())[:MAX_CHARACTERS]
    build = {
        **build_facts,
        "actor": who,
        "created": created,
        "host": host,
        "digest": digest,
    }
    contents = {
        **files,
        names.MANIFEST: data,
        names.SEAL: seal(digest),
        names.BUILD: strict_json.canonical_bytes(build),
    }
    _create_store(store_path)
    with write_lock.writing(store_path) as at:
        steps.reached("publish.locked")
        _check_artifact_name(at, manifest)
        folder = store_path / VERSIONS / manifest.version
        if _is_there(at, manifest.version, digest):
            return VersionFolder(folder, manifest.version, digest, created=False)
        event = Event(created, "publish", manifest.version, digest, None, who, recovered=False)
        _write(at, contents, event)
    return VersionFolder(folder, manifest.version, digest, created=True)


def _check_files(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    listed = {entry.name: entry for entry in manifest.files}
    if listed.keys() != files.keys():
        odd = sorted(listed.keys() ^ files.keys())
        raise IntegrityError("the files must be those the manifest lists", place=manifest.version, value=odd)
    for name, entry in listed.items():
        found = hashlib.sha256(files[name]).hexdigest()
        if (len(files[name]), found) != (entry.size, entry.sha256):
            rule = f"a file must have {entry.size} bytes with the SHA-256 {entry.sha256}"
            raise IntegrityError(rule, place=name, value=(len(files[name]), found))
    for level in manifest.levels:
        check_graph(files[level.file], manifest, level)
    if manifest.features_graph is not None:
        check_features_graph(files[manifest.features_graph.file], manifest.features_graph.file)


def _create_store(path: Path) -> None:
    """Create a store's folders, each synced into its parent."""
    with disk.failing("a store must be creatable", str(path)):
        for folder in (*reversed(path.absolute().parents), path.absolute(), path.absolute() / VERSIONS):
            if folder.is_dir():
                continue
            parent = disk.open_folder(folder.parent)
            try:
                inside = folder.name == VERSIONS and folder.parent == path.absolute()
                disk.make_folder(folder.name, parent, exist_ok=True, as_parent=inside)
                disk.sync(parent)
            finally:
                os.close(parent)


def _check_artifact_name(at: Writing, manifest: Manifest) -> None:
    for version in reversed(Store(Path(at.place)).versions()):
        try:
            with open_version(at.versions, version, version, None) as other:
                name = other.manifest.name
        except (IntegrityError, VanishedError):
            continue  # a damaged version says nothing; `verify` names it
        if name != manifest.name:
            rule = f"a store must hold one artifact, here {name!r}"
            raise StoreError(
                rule, place=at.place, value=manifest.name, hint="Publish into a store of its own."
            )
        return


def _is_there(at: Writing, version: str, digest: str) -> bool:
    """Whether the version is there with this digest; refuses one that ever had another, collected or not."""
    place = f"{at.place}/{VERSIONS}/{version}"
    used = {e.digest for e in at.events if e.event == "publish" and e.version == version}
    there = disk.identity_of(version, at.versions) is not None
    if there:
        with open_version(at.versions, version, place, None) as artifact:
            artifact.verify()
            used.add(artifact.digest)
    if used - {digest}:
        hint = f"Versions never change: publish as a post-release, for example {_next_post(version)}."
        raise StoreError("a version must be published once", place=place, value=digest, hint=hint)
    return there


def _next_post(version: str) -> str:
    parsed = names.parse_version(version)
    stem = version if parsed.post is None else version.rpartition(".post")[0]
    return f"{stem}.post{(parsed.post or 0) + 1}"


def _write(at: Writing, contents: Mapping[str, bytes], event: Event) -> None:
    staged = f"{STAGED}{event.version}"
    try:
        disk.make_folder(staged, at.versions)
        steps.reached("publish.staged")
        _fill(at, staged, contents, event.digest)
        disk.rename(staged, event.version, at.versions)
    except BaseException:
        _discard(at, staged)
        raise
    steps.reached("publish.renamed")
    rule = (
        f"{event.version} is published, but it must be synced and recorded too; "
        "the next command that writes completes the record"
    )
    with disk.failing(rule, at.place):
        disk.sync(at.versions)
        steps.reached("publish.settled")
        history_file.append(at.store, [event])
    steps.reached("publish.recorded")


def _fill(at: Writing, staged: str, contents: Mapping[str, bytes], digest: str) -> None:
    folder = disk.open_folder(staged, at.versions)
    try:
        for name in sorted(contents):
            disk.write_new(folder, name, contents[name])
            steps.reached("publish.written")
        disk.sync(folder)
    finally:
        os.close(folder)
    steps.reached("publish.synced")
    place = f"{at.place}/{VERSIONS}/{staged}"
    carrier = FolderCarrier(disk.open_folder(staged, at.versions), place)
    with Artifact(carrier, place, expected=digest) as artifact:
        artifact.verify()
    steps.reached("publish.verified")


def _discard(at: Writing, staged: str) -> None:
    """Remove what was staged, if the disk still lets us; the next command that writes removes the rest."""
    try:
        disk.remove_folder(staged, at.versions)
    except OSError:
        return
