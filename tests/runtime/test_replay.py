"""`gradus replay`: decisions made anew from the journal, compared bit for bit."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.golden import OLDER_TRIO, TRIO, full_row, golden_rows, npz_bytes, trio_store, variant

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.contracts.manifest import CLOSE, EXACT, Manifest

VERSION = TRIO.name
RUNS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (full_row(), {}),
    (full_row(1) | {"usd_jpy": None, "vix": None, "dxy": None}, {}),
    (full_row(2), {"unavailable": ["dxy"]}),
    ({k: v for k, v in full_row(3).items() if k != "dxy"}, {"fill": {"dxy": 1.25}}),
    (full_row(4), {"confidence_threshold": 0.99}),
    (full_row(5), {"use_confidence": False}),
    ({}, {}),
]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    trio_store(tmp_path / "store")
    return tmp_path / "store"


def keep(store: Path, journal: Path, **options: Any) -> None:
    """Make decisions of all kinds, by both versions."""
    for version in (None, OLDER_TRIO.name):
        with Predictor.open(store, version, max_age_days=1e5, journal=journal, **options) as bot:
            for row, request in RUNS:
                bot.decide(row, **request)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    code = main(["replay", *map(str, arguments), "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, found


def alter(journal: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the first decision of a journal."""
    (file,) = journal.iterdir()
    values = [json.loads(line) for line in file.read_text("ascii").splitlines()]
    first = next(i for i, value in enumerate(values) if value["gradus"] == "decision/1")
    values[first] |= change(values[first])
    file.write_text("".join(json.dumps(value) + "\n" for value in values), "ascii")


def test_every_decision_of_every_version_comes_out_again(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, tmp_path / "journal")
    code, found = run(capsys, "--journal", tmp_path / "journal", "--store", store)
    assert code == 0
    assert (found["replayed"], found["different"]) == (2 * len(RUNS), 0)
    assert {(s["version"], s["lines"] == s["same"]) for s in found["levels"]} == {
        (VERSION, True),
        (OLDER_TRIO.name, True),
    }
    assert "fallback" in {s["level"] for s in found["levels"]}
    code, found = run(capsys, "--journal", tmp_path / "journal", "--store", store, "--version", VERSION)
    assert (code, found["replayed"]) == (0, len(RUNS))


def test_a_level_that_served_for_one_out_of_service_is_replayed_by_itself(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Predictor.open(store, max_age_days=1e5, journal=tmp_path / "journal") as bot:
        bot._active[0].slots[0].fail(RuntimeError("no memory"))
        assert bot.decide(full_row()).level == "level2"
    code, found = run(capsys, "--journal", tmp_path / "journal", "--store", store)
    assert (code, found["replayed"], found["levels"][0]["level"]) == (0, 1, "level2")


def other_bit(value: dict[str, Any]) -> dict[str, Any]:
    last = int(value["bits"][-1], 16) ^ 1
    return {"bits": value["bits"][:-1] + f"{last:x}"}


def other_row(value: dict[str, Any]) -> dict[str, Any]:
    row = np.frombuffer(base64.b64decode(value["row"]), "<f4").copy()
    row[0] += np.float32(0.5)
    return {"row": base64.b64encode(row.tobytes()).decode()}


@pytest.mark.parametrize(
    "change",
    [other_row, lambda value: {"action": "SELL"}, lambda value: {"level": "level3"}],
    ids=["row", "action", "level"],
)
def test_a_line_that_does_not_come_out_again_is_named(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any
) -> None:
    with Predictor.open(store, max_age_days=1e5, journal=tmp_path / "journal") as bot:
        decision = bot.decide(full_row())
        bot.decide(full_row(1))
    alter(tmp_path / "journal", change)
    code, found = run(capsys, "--journal", tmp_path / "journal", "--store", store)
    assert (code, found["replayed"], found["different"]) == (1, 2, 1)
    assert str(decision.id) in found["differences"][0]


@pytest.mark.parametrize(("bits", "different"), [(EXACT, 1), (CLOSE, 0)])
def test_one_bit_is_a_difference_where_bits_are_exact_and_none_where_they_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bits: str, different: int
) -> None:
    def change(manifest: Manifest) -> Manifest:
        first, *others = manifest.levels
        return dataclasses.replace(manifest, levels=(dataclasses.replace(first, bits=bits), *others))

    golden = dict(golden_rows())
    with Predictor.open(TRIO, max_age_days=1e5) as plain:  # what this machine computes is what is proved here
        golden["level1"] = plain.predict(golden["features"], ordered=True).probabilities
        one = [plain.decide(full_row(i)).probabilities.values() for i in range(len(golden["level1"]))]
        golden["level1"][:] = np.array([list(p) for p in one])
    artifact = variant(TRIO, tmp_path / "artifact", change=change, files={"golden.npz": npz_bytes(golden)})
    with Predictor.open(artifact, max_age_days=1e5, journal=tmp_path / "journal") as bot:
        assert bot.decide(full_row()).level == "level1"
    alter(tmp_path / "journal", other_bit)
    code, found = run(capsys, "--journal", tmp_path / "journal", artifact)
    assert (found["replayed"], found["different"], code) == (1, different, different)
    assert found["levels"][0]["close"] == 1 - different


def test_more_than_the_tolerance_is_a_difference_where_bits_are_not_exact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(manifest: Manifest) -> Manifest:
        first, *others = manifest.levels
        return dataclasses.replace(manifest, levels=(dataclasses.replace(first, bits=CLOSE), *others))

    def further(value: dict[str, Any]) -> dict[str, Any]:
        shares = np.frombuffer(bytes.fromhex(value["bits"]), ">f4").copy()
        shares[0] += np.float32(1e-5)
        return {"bits": shares.astype(">f4").tobytes().hex()}

    artifact = variant(TRIO, tmp_path / "artifact", change=change)
    with Predictor.open(artifact, max_age_days=1e5, journal=tmp_path / "journal") as bot:
        decision = bot.decide(full_row())
    alter(tmp_path / "journal", further)
    code, found = run(capsys, "--journal", tmp_path / "journal", artifact)
    assert (code, found["different"], found["levels"][0]["bits"]) == (1, 1, CLOSE)
    assert str(decision.id) in found["differences"][0]


def test_what_cannot_be_replayed_is_counted_and_named(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, tmp_path / "journal")
    keep(store, tmp_path / "journal", journal_rows=False)
    shutil.rmtree(store / "versions" / OLDER_TRIO.name)
    code, found = run(capsys, "--journal", tmp_path / "journal", "--store", store)
    assert code == 0
    assert found["without_row"] == len(RUNS) - 1  # the fallback needs none
    assert len(found["missing"]) == 1
    assert f"trio {OLDER_TRIO.name}: {2 * len(RUNS)} lines: " in found["missing"][0]
    shutil.rmtree(store / "versions" / VERSION)
    shutil.copytree(OLDER_TRIO, store / "versions" / VERSION)
    code, found = run(capsys, "--journal", tmp_path / "journal", "--store", store)
    assert (code, found["replayed"]) == (1, 0)


def test_the_text_says_levels_and_counts(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(store, tmp_path / "journal")
    log = tmp_path / "log.txt"
    (file,) = (tmp_path / "journal").iterdir()
    log.write_text("Listening on port 8080\n" + file.read_text("ascii"), "ascii")
    assert main(["replay", "--journal", str(log), "--store", str(store)]) == 0
    text = capsys.readouterr().out
    assert f"{2 * len(RUNS)} of {2 * len(RUNS)} decisions replayed, 0 different" in text
    assert "1 of them foreign" in text
