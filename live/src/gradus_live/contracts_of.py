"""What the record needs of the versions that decided, from their store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from gradus_live.costs import Costs
from gradus_live.labels import LabelRule, from_contract, parse_label
from gradus_live.outcomes.join import Contract
from gradus_runtime.contracts import codec, toml_file
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.contracts.names import parse_version
from gradus_runtime.errors import GradusError, UsageError
from gradus_runtime.store import Artifact, Store, open_artifact
from gradus_runtime.store.layout import VERSIONS

__all__ = ["contracts_of", "costs_of", "label_from", "manifests_of"]


def manifests_of(source: str | Path) -> dict[str, Manifest]:
    """Return the manifests of all versions of a store, or of one artifact, by digest.

    A damaged version is passed over: its decisions count as those of an unknown version.

    Raises:
        GradusError: As `open_artifact`.
    """
    found: dict[str, Manifest] = {}
    for artifact in _artifacts(source):
        with artifact:
            found[artifact.digest] = artifact.manifest
    return found


def _artifacts(source: str | Path) -> Iterable[Artifact]:
    if not (Path(source) / VERSIONS).is_dir():
        yield open_artifact(source)
        return
    store = Store(Path(source))
    for version in store.versions():
        try:
            yield store.open(version)
        except GradusError:
            continue


def label_from(path: Path) -> LabelRule:
    """Read the label of a training configuration: its table `[labels]`, or the keys of format 1 in it.

    Raises:
        ConfigError: The file cannot be read, or has no valid label.
    """
    value = toml_file.read(path, "labels")
    table = value.get("labels", value)
    if isinstance(table, dict) and "kind" not in table:
        table = {"kind": "fixed_horizon", **table}
    return parse_label(table, place=f"{path}: labels")


def contracts_of(
    manifests: Mapping[str, Manifest], label: LabelRule | None, costs: Costs | None = None
) -> dict[str, Contract]:
    """Return the contracts of versions, by digest.

    Args:
        manifests: By digest.
        label: In place of those of the manifests.
        costs: Likewise.

    Raises:
        UsageError: A manifest has no label, and none was given.
    """
    found = {}
    for digest, manifest in manifests.items():
        rule = label or label_of(manifest)
        if rule is None:
            raise UsageError(
                "the label that a version was trained on must be known",
                place=f"{manifest.name} {manifest.version}",
                hint="The manifest does not hold it. Give the configuration of training: --labels FILE.",
            )
        held = costs_of([manifest]) if costs is None else costs
        found[digest] = Contract(manifest.classes, manifest.feature_names, rule, held)
    return found


def label_of(manifest: Manifest) -> LabelRule | None:
    """Return the label that a manifest holds; None where it holds none."""
    return None if manifest.label is None else from_contract(manifest.label, manifest.classes)


def costs_of(manifests: Iterable[Manifest]) -> Costs | None:
    """Return the costs of the newest of some versions that holds any; None where none does."""
    held = [m for m in manifests if m.costs is not None]
    if not held:
        return None
    newest = max(held, key=lambda m: parse_version(m.version))
    return Costs(**codec.encode(newest.costs))
