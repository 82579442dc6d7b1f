"""A compiled forest behind the Predictor, against the interpreter of the trees."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.forests import random_forest
from tests.support.golden import TRIO, TRIO_NAMES, npz_bytes, variant

from gradus_convert.forest.ir import Forest, interpret
from gradus_convert.graphs import VotingMember, build_level
from gradus_runtime import Predictor
from gradus_runtime.contracts import graph
from gradus_runtime.contracts.manifest import Member, parse

WIDTHS = {"level1": 9, "level2": 6, "level3": 4}
CLASSES = ("SELL", "HOLD", "BUY")


def expected(forests: tuple[Forest, Forest], features: Any) -> Any:
    boosted, averaged = (interpret(forest, features).probabilities for forest in forests)
    return 0.6 * boosted + 0.4 * averaged


@pytest.mark.parametrize(("encoding", "threads"), [("compact", 1), ("compact", 3), ("treeops", 2)])
def test_a_compiled_artifact_answers_as_its_trees_do(tmp_path: Path, encoding: Any, threads: int) -> None:
    random = np.random.default_rng(9)
    features = random.normal(0, 1, (700, 9)).astype(np.float32)
    forests = {
        name: (
            random_forest(width, trees=30, n_features=width, depth=6),
            random_forest(width + 50, trees=20, n_features=width, depth=7, vector=True, link="identity"),
        )
        for name, width in WIDTHS.items()
    }
    members = (Member("boosted", "lightgbm", 0.6, 30, 900), Member("averaged", "sklearn", 0.4, 20, 900))
    manifest = parse((TRIO / "manifest.json").read_bytes())
    levels = tuple(dataclasses.replace(s, encoding=encoding, members=members) for s in manifest.levels)
    manifest = dataclasses.replace(manifest, levels=levels)
    files = {}
    for level in manifest.levels:
        voting = [
            VotingMember(member.name, member.weight, forest, (0, 1, 2))
            for member, forest in zip(members, forests[level.name], strict=True)
        ]
        names = TRIO_NAMES[: WIDTHS[level.name]]
        metadata = dict(graph.expected_metadata(manifest, level))
        built = build_level(voting, names, CLASSES, encoding=encoding, metadata=metadata)
        files[level.file] = built.model_bytes
    answers = {
        name: expected(f, features[:, : WIDTHS[name]]).astype(np.float32) for name, f in forests.items()
    }
    golden = {"features": features[:40]} | {name: array[:40] for name, array in answers.items()}
    files["golden.npz"] = npz_bytes(golden)
    folder = variant(TRIO, tmp_path / "v", files=files, change=lambda _: manifest)
    with Predictor.open(folder, threads=threads, memory_budget=64 * 1024, preload=True) as bot:
        assert bot.health().status == "ok"
        for name, width in WIDTHS.items():
            batch = bot.predict(features[:, :width], ordered=True)
            assert set(batch.levels.tolist()) == {name}
            assert np.abs(batch.probabilities - answers[name]).max() < 1e-6
            for i in range(0, 700, 35):
                row = dict(zip(TRIO_NAMES[:width], features[i].tolist(), strict=False))
                got = list(bot.decide(row).probabilities.values())
                assert np.abs(np.array(got) - answers[name][i]).max() < 1e-6
