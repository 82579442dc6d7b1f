"""Store: versions, pins and history on disk, and the other ways an artifact is carried."""

from gradus_runtime.store.artifact import Artifact, resolve_level, seal
from gradus_runtime.store.open_artifact import open_artifact
from gradus_runtime.store.store import Store

__all__ = ["Artifact", "Store", "open_artifact", "resolve_level", "seal"]
