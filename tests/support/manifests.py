"""A small manifest to change in tests."""

from __future__ import annotations

from gradus_runtime.contracts.manifest import (
    CLOSE,
    FORMAT_VERSION,
    DecisionPolicy,
    FeatureSpec,
    FileEntry,
    Golden,
    Histogram,
    Level,
    Manifest,
    Member,
    Parity,
    Provenance,
    RuntimeRequirement,
    declared,
)

DIGEST = "0" * 64


def sample_manifest() -> Manifest:
    """Two levels over three features, two classes; consistent, but without files behind it."""
    parity = Parity(100, 50, 1000, 0, 1e-8, 0, 0, 3e-8)
    members = (Member("lightgbm", "lightgbm", 0.6, 10, 100), Member("forest", "sklearn", 0.4, 10, 200))
    levels = tuple(
        Level(
            name=name,
            groups=groups,
            file=f"{name}.onnx",
            encoding="compact",
            bits=CLOSE,
            opsets={"": 17},
            vote="soft",
            members=members,
            metrics={"accuracy": 0.5},
            class_counts=(60, 40),
            parity=parity,
        )
        for name, groups in (("level1", ("market", "outside")), ("level2", ("market",)))
    )
    return Manifest(
        format_version=FORMAT_VERSION,
        name="sample",
        version="2026.1.4",
        classes=("SELL", "BUY"),
        decision=DecisionPolicy(0.35, "SELL", 0.5, (0.5, 0.5), None),
        features=(
            FeatureSpec("close", "market", "float32", 1.0, 9.0, Histogram((2.0, 5.0), (3, 4, 5))),
            FeatureSpec("volume", "market", "float32", 0.0, 4.0, None),
            FeatureSpec("usd_jpy", "outside", "float32", None, None, None),
        ),
        levels=levels,
        golden=Golden("golden.npz", 4, 1e-6),
        files=tuple(FileEntry(n, DIGEST, 10) for n in ("golden.npz", "level1.onnx", "level2.onnx")),
        provenance=Provenance(
            True,
            DIGEST,
            "2026-01-01T00:00:00Z",
            "2026-01-03T00:00:00Z",
            100,
            DIGEST,
            None,
            {"lightgbm": "4"},
            7,
        ),
        runtime=RuntimeRequirement("1.20", ("1.26.0",)),
        aliases={"production_ensemble_full": "level1"},
        members_dropped=None,
        order_of_service=declared(("level1", "level2")),
    )
