"""Levels whose vote is hard to keep exact: every link, margins far apart, tiny leaves, classes elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.support.forests import random_forest as grow

from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import VotingMember

__all__ = ["LEVELS", "based", "scaled"]

EVERY = (0, 1, 2)


def scaled(forest: Forest, factor: float) -> Forest:
    """Multiply the leaves."""
    return replace(forest, values=forest.values * factor)


def based(forest: Forest, *base: float) -> Forest:
    """Start the outputs elsewhere."""
    return replace(forest, base=np.array(base))


def _sigmoid(seed: int) -> Forest:
    return grow(seed, n_outputs=1, link="sigmoid")


def _alone(forest: Forest, classes: tuple[int, ...] = EVERY) -> list[VotingMember]:
    return [VotingMember("a", 1, forest, classes)]


LEVELS: dict[str, list[VotingMember]] = {
    "softmax": _alone(grow(1)),
    "subnormal thresholds": _alone(grow(12, trees=30, thresholds=[0.0, -1e-45, 1e-45, -1e-40, 0.5])),
    "many trees": _alone(grow(11, trees=90, depth=6)),
    "margins over 100 octaves": _alone(scaled(grow(1), 1e4)),
    "two members over 100 octaves": [
        VotingMember("a", 1, scaled(grow(1), 1e4), EVERY),
        VotingMember("b", 2, scaled(grow(2), 10), EVERY),
    ],
    "tiny leaves": _alone(scaled(grow(1), 1e-9)),
    "leaves of 0": _alone(scaled(grow(1), 0.0)),
    "priors": _alone(based(grow(1), 30, 0, -9)),
    "priors far apart": _alone(based(grow(1), 90, 0, -90)),
    "priors far out": _alone(based(grow(1), 1e6, 1e6, 1e6)),
    "sigmoid": _alone(_sigmoid(2), (0, 2)),
    "sigmoid far out": _alone(based(_sigmoid(2), -300), (0, 2)),
    "sigmoid far out on the other side": _alone(based(_sigmoid(2), 300), (0, 2)),
    "sigmoid over 100 octaves": _alone(scaled(_sigmoid(2), 1e4), (0, 2)),
    "two sigmoids": [
        VotingMember("a", 0.3, _sigmoid(2), (0, 2)),
        VotingMember("b", 0.7, _sigmoid(4), (1, 2)),
    ],
    "averaged vectors": _alone(grow(6, vector=True)),
    "vectors with a base": _alone(based(grow(6, vector=True), 0.25, 0.5, 0.125)),
    "three links": [
        VotingMember("m", 0.4, grow(5), EVERY),
        VotingMember("v", 0.2, grow(6, vector=True), EVERY),
        VotingMember("b", 0.3, _sigmoid(7), (0, 2)),
    ],
    "classes elsewhere": [
        VotingMember("a", 0.4, grow(5), (2, 0, 1)),
        VotingMember("b", 0.5, grow(8), EVERY),
        VotingMember("c", 0.6, grow(9, vector=True), (2, 1, 0)),
    ],
}
"""By what is hard in each; all read four features and vote on three classes."""
