"""Building artifacts: `build_artifact(spec)` compiles, proves and puts together; nothing touches the disk."""

from gradus_convert.artifact.assemble import PROOF_ROWS, build_artifact
from gradus_convert.artifact.spec import (
    ArtifactSpec,
    BuiltArtifact,
    FeatureFacts,
    GraphSpec,
    LevelContent,
    MemberSpec,
)

__all__ = [
    "PROOF_ROWS",
    "ArtifactSpec",
    "BuiltArtifact",
    "FeatureFacts",
    "GraphSpec",
    "LevelContent",
    "MemberSpec",
    "build_artifact",
]
