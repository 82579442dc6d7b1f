"""`artifact.toml`: the artifact's name, how decisions are made, who may serve it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gradus_runtime.contracts import codec, names, toml_file
from gradus_runtime.contracts.manifest import DecisionPolicy, RuntimeRequirement
from gradus_runtime.errors import ConfigError

__all__ = ["FORMAT", "ArtifactConfig", "load"]

FORMAT = "gradus-artifact/1"


@dataclass(frozen=True, slots=True)
class ArtifactConfig:
    """What an artifact has that no training run knows.

    Attributes:
        name: Lower-case words joined by hyphens; None for the name of the store's folder.
        decision: How probabilities become an action.
        runtime: Which onnxruntime may serve.
        aliases: Other names of levels; those of levels that a run lacks are left out of its artifact.
    """

    name: str | None
    decision: DecisionPolicy
    runtime: RuntimeRequirement
    aliases: Mapping[str, str]


def load(path: Path) -> ArtifactConfig:
    """Read and check an `artifact.toml`.

    The keys `name` (then that of the store's folder) and `max_age_days` (then no expiry) may be left out.

    Raises:
        ConfigError: The file is missing, is not TOML, or breaks a rule; the message names the key.
    """
    value = toml_file.read(path, "an artifact configuration")
    if value.pop("format", None) != FORMAT:
        raise ConfigError(f"format must be {FORMAT!r}", place=f"{path}: format")
    value.setdefault("name", None)
    if isinstance(value.get("decision"), dict):
        value["decision"].setdefault("max_age_days", None)
    config = codec.decode(ArtifactConfig, value, place=str(path), error=ConfigError)
    if config.name is not None and not names.is_artifact_name(config.name):
        rule = "an artifact's name must be lower-case words and digits joined by single hyphens"
        raise ConfigError(rule, place=f"{path}: name", value=config.name)
    return config
