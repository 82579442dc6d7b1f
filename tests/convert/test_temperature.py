"""A level's temperature: the power of a probability by exact operators, in the graph and under the proof."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from tests.convert.test_exact_vote import ROWS, ask, compiled, ways
from tests.support.levels import LEVELS
from tests.support.models import fit, table

from gradus_convert.errors import ParityError
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.graphs.arithmetic import in_numpy
from gradus_convert.graphs.temperature import at_power
from gradus_convert.parity import LevelMember, prove_level
from gradus_convert.parity.bits import BitOracle, different_bits
from gradus_convert.readers import read_model
from gradus_runtime.contracts.manifest.calibration import LEAST, at_temperature
from gradus_runtime.errors import UsageError

TEMPERATURES = (0.25, 0.5, 0.615, 1.0, 1.7, 3.0, 4.0)
SOFT = sorted(LEVELS)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_power_is_that_of_the_mathematical_library(temperature: float) -> None:
    p = np.concatenate([np.random.default_rng(1).random(5000), 10.0 ** -np.linspace(0, 9, 500), [0.0, 1.0]])
    found = at_power(in_numpy(), p, temperature)
    assert found.dtype == np.float64
    assert np.abs(found - np.maximum(p, LEAST) ** (1 / temperature)).max() < 2e-10


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize("temperature", [0.615, 1.7])
def test_a_level_with_a_temperature_has_the_same_bits_every_way(name: str, temperature: float) -> None:
    members = LEVELS[name]
    oracle = BitOracle(members, 3, "soft", temperature)
    expected = oracle.bits(oracle.leaves(ROWS))
    plain = BitOracle(members, 3, "soft")
    powers = at_temperature(plain.bits(plain.leaves(ROWS)).astype(np.float64), temperature)
    assert np.abs(expected - powers).max() < 1e-6
    assert not np.array_equal(expected, plain.bits(plain.leaves(ROWS)))
    for way, opened, block in ways(compiled(members, temperature=temperature)):
        assert different_bits(expected, ask(opened, block)) == 0, way


def test_the_same_temperature_gives_the_same_bytes_and_none_another_graph() -> None:
    members = LEVELS[SOFT[0]]
    assert compiled(members, temperature=1.7) == compiled(members, temperature=1.7)
    assert compiled(members, temperature=None) == compiled(members)
    assert compiled(members, temperature=1.7) != compiled(members)


@pytest.mark.parametrize("encoding", ["treeops", "compact"])
def test_levels_without_exact_bits_have_one_too(encoding: Any) -> None:
    members = LEVELS[SOFT[0]]
    names, classes = list("abcd"), list("xyz")
    plain, warm = (
        build_level(members, names, classes, encoding=encoding, metadata={}, temperature=t)
        for t in (None, 2.0)
    )
    before, after = (
        ort.InferenceSession(g.model_bytes).run(["probabilities", "label"], {"features": ROWS})
        for g in (plain, warm)
    )
    assert np.abs(after[0] - at_temperature(before[0].astype(np.float64), 2.0)).max() < 1e-6
    assert (after[1] == before[1]).all()


@pytest.mark.parametrize("temperature", [0.2, 4.1, float("nan")])
def test_a_temperature_out_of_range_is_refused(temperature: float) -> None:
    with pytest.raises(UsageError, match="a temperature must lie between 1/4 and 4"):
        build_level(LEVELS[SOFT[0]], list("abcd"), list("xyz"), metadata={}, temperature=temperature)


def test_the_proof_knows_the_temperature() -> None:
    native = read_model(fit("lightgbm, three classes")[0])
    assert isinstance(native.lowered, Forest)
    voting = VotingMember("m", 1.0, native.lowered, (0, 1, 2))
    rows = table(3, rows=1500, seed=9)[0]

    def prove(compiled_with: float | None, promised: float | None) -> None:
        prove_level(
            [LevelMember(voting, native)],
            lambda leaves: build_level(
                [voting], list("abcde"), list("xyz"), metadata={}, leaves=leaves, temperature=compiled_with
            ),
            rows,
            n_classes=3,
            vote="soft",
            place="level1",
            temperature=promised,
        )

    prove(1.7, 1.7)
    for compiled_with, promised in ((None, 1.7), (1.7, None), (1.7, 1.7001)):
        with pytest.raises(ParityError):
            prove(compiled_with, promised)
