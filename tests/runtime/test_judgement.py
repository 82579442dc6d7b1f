"""What training found, in the manifest: its rules, format 1, and levels served in the measured order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.golden import OLDER_TRIO, TRIO, full_row, golden_rows, variant
from tests.support.manifests import sample_manifest

from gradus_runtime import Predictor
from gradus_runtime.cli.main import main
from gradus_runtime.contracts import codec
from gradus_runtime.contracts.manifest import (
    GateResult,
    Label,
    LevelProof,
    Manifest,
    OrderOfService,
    RowSpan,
    StatedCosts,
    Verdict,
    declared,
    parse,
)
from gradus_runtime.contracts.manifest.format1 import upgrade
from gradus_runtime.errors import CheckError, ManifestError, UsageError
from gradus_runtime.routing.schema import Schema, served_levels
from gradus_runtime.store import Store

LABEL = Label("fixed_horizon", 4, {"horizon": 4.0, "threshold": 0.005}, {"unit": "fraction"}, "up or down")
COSTS = StatedCosts("x", "2026-11-01", 0.0, 10.0, 0.5, 0.5, 0.0, "taker")
ORDER = OrderOfService(
    "measured", ("level2",), ("level1",), (LevelProof("level1", "level2", False, "level1 is not better"),)
)
GATE = GateResult("served", "moves", "value", None, "skipped")
VERDICT = Verdict("moves", ("It knows something.", "Money: no costs given."))
SPAN = RowSpan(10, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")


def judged(**change: Any) -> Manifest:
    whole = replace(
        sample_manifest(),
        order_of_service=ORDER,
        label=LABEL,
        costs=COSTS,
        gates=(GATE,),
        verdict=VERDICT,
        measured=SPAN,
        shipped=SPAN,
    )
    return replace(whole, **change)


def test_what_training_found_is_read_back() -> None:
    assert parse(judged().to_bytes()) == judged()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"order_of_service": replace(ORDER, kind="best")}, "must be measured or declared, but got 'best'"),
        ({"order_of_service": replace(ORDER, others=())}, "must name every level once"),
        ({"order_of_service": replace(ORDER, levels=("level2", "level1"))}, "must name every level once"),
        ({"order_of_service": replace(ORDER, kind="declared")}, "all levels must be in service"),
        (
            {"order_of_service": replace(ORDER, proofs=(LevelProof("level1", "level1", True, "x"),))},
            r"proofs\[0\].against: a level must be compared with another level or with priors",
        ),
        (
            {"order_of_service": replace(ORDER, proofs=ORDER.proofs * 2)},
            "order_of_service.proofs: a level must occur once",
        ),
        ({"label": replace(LABEL, kind="luck")}, "label.kind: a label must be one of"),
        ({"label": replace(LABEL, reach=0)}, "a reach must be 1 to"),
        ({"label": replace(LABEL, texts={"unit": "\n"})}, "label.texts.unit: a text must be printable"),
        ({"costs": replace(COSTS, as_of="now")}, "costs must hold as of a date"),
        ({"costs": replace(COSTS, fill="x")}, "fill must be taker or maker"),
        ({"costs": replace(COSTS, spread=5000.0)}, "costs.spread: costs must lie between"),
        ({"gates": (replace(GATE, kind="x"),)}, r"gates\[0\].kind: a gate must be integrity or value"),
        ({"gates": (replace(GATE, sentence="a\nb"),)}, r"gates\[0\].sentence: a text must be printable"),
        (
            {"verdict": replace(VERDICT, name="good")},
            "a verdict must be one of none, moves, direction",
        ),
        ({"verdict": replace(VERDICT, sentences=("x" * 1001,))}, "1 to 1000 characters"),
        ({"measured": replace(SPAN, rows=0)}, "measured.rows: rows must be at least 1"),
        ({"shipped": replace(SPAN, start="2027")}, "shipped: rows must start at or before their end"),
    ],
)
def test_a_broken_rule_is_named(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ManifestError, match=text):
        parse(judged(**change).to_bytes())


def test_format_1_serves_all_levels_in_the_order_of_the_file() -> None:
    value = codec.encode(sample_manifest())
    for key in ("order_of_service", "label", "costs", "gates", "verdict", "measured", "shipped"):
        del value[key]
    new = upgrade({**value, "format_version": 1})
    manifest = codec.decode(Manifest, new, place="m")
    assert manifest.order_of_service == declared(("level1", "level2"))
    assert (manifest.verdict, manifest.label) == (None, None)
    assert [level.name for level in manifest.service] == ["level1", "level2"]


def test_levels_are_offered_rows_in_the_order_of_service() -> None:
    manifest = judged()
    assert [level.name for level in manifest.service] == ["level2", "level1"]
    assert Schema(manifest).level_names == ("level2", "level1")
    assert [s.name for s in served_levels(manifest, "level1")] == ["level1", "level2"]
    assert [s.name for s in served_levels(manifest, "level2")] == ["level2"]


@pytest.fixture
def measured_bot(tmp_path: Path) -> Any:
    """`trio`, where level2 proved itself and level1 did not."""

    def change(manifest: Manifest) -> Manifest:
        proofs = (LevelProof("level1", "level2", False, "level1 is not better than level2 on 900 rows"),)
        order = OrderOfService("measured", ("level2", "level3"), ("level1",), proofs)
        return replace(manifest, order_of_service=order, verdict=VERDICT)

    with Predictor.open(variant(TRIO, tmp_path / "trio", change=change)) as predictor:
        yield predictor


def both(bot: Predictor, row: dict[str, Any], **options: Any) -> Any:
    single = bot.decide(row, **options)
    (batch,) = bot.predict([row], **options)
    assert (single.action, single.level, single.reasons) == (batch.action, batch.level, batch.reasons)
    return single


def test_a_whole_row_is_served_by_the_level_that_proved_itself(measured_bot: Predictor) -> None:
    for _ in range(3):
        decision = both(measured_bot, full_row())
        assert (decision.level, decision.reasons) == ("level2", ())
    expected = golden_rows()["level2"][0]
    assert np.allclose(list(decision.probabilities.values()), expected, atol=2e-6)


def test_a_row_steps_down_in_the_order_of_service(measured_bot: Predictor) -> None:
    row = {k: v for k, v in full_row().items() if k not in ("breakout",)}
    decision = both(measured_bot, row)
    assert decision.level == "level3"
    assert decision.reasons == ("level2: missing breakout",)


def test_a_level_that_proved_nothing_serves_what_nothing_else_can_and_says_so(tmp_path: Path) -> None:
    def change(manifest: Manifest) -> Manifest:
        return replace(
            manifest, order_of_service=OrderOfService("measured", (), ("level1", "level2", "level3"), ())
        )

    with Predictor.open(variant(TRIO, tmp_path / "trio", change=change)) as bot:
        decision = both(bot, full_row())
        assert decision.level == "level1"
        assert decision.reasons == ("level1: used because no level in service can serve this row",)


def test_a_level_asked_for_by_name_serves_first(tmp_path: Path) -> None:
    def change(manifest: Manifest) -> Manifest:
        order = OrderOfService("measured", ("level2", "level3"), ("level1",), ())
        return replace(manifest, order_of_service=order)

    folder = variant(TRIO, tmp_path / "2026.11.21", change=change)
    store = Store(tmp_path / "store")
    (store.path / "versions").mkdir(parents=True)
    folder.rename(store.path / "versions" / "2026.11.21")
    store.pin("2026.11.21", actor="test")
    with Predictor.open(store.path / "level1") as bot:
        assert bot.decide(full_row()).level == "level1"


def test_a_version_of_too_low_a_verdict_is_refused_at_start(tmp_path: Path) -> None:
    def change(verdict: Verdict | None) -> Any:
        return lambda manifest: replace(manifest, verdict=verdict)

    moves = variant(TRIO, tmp_path / "moves", change=change(VERDICT))
    unknown = variant(TRIO, tmp_path / "unknown", change=change(None))
    for require in ("none", "moves"):
        with Predictor.open(moves, require=require) as bot:
            assert bot.decide(full_row()).level == "level1"
    for require in ("direction", "tradable"):
        with pytest.raises(CheckError, match=f"must be {require} or better, but got 'moves'"):
            Predictor.open(moves, require=require)
    with pytest.raises(CheckError, match="must be none or better, but got 'unknown'"):
        Predictor.open(unknown, require="none")
    with pytest.raises(UsageError, match="require must be one of none, moves, direction, tradable, or None"):
        Predictor.open(moves, require="good")


def test_at_a_reload_the_old_version_stays_where_the_new_one_knows_too_little(tmp_path: Path) -> None:
    def change(name: str) -> Any:
        return lambda manifest: replace(manifest, verdict=Verdict(name, ()))

    versions = tmp_path / "store" / "versions"
    versions.mkdir(parents=True)
    for source, name in ((OLDER_TRIO, "tradable"), (TRIO, "none")):
        variant(source, tmp_path / source.name, change=change(name)).rename(versions / source.name)
    store = Store(tmp_path / "store")
    store.pin(OLDER_TRIO.name, actor="test")
    with Predictor.open(store.path, require="tradable") as bot:
        store.pin(TRIO.name, actor="test")
        assert not bot.reload_if_changed()
        assert bot.decide(full_row()).version == OLDER_TRIO.name
        assert "the verdict of a version must be tradable or better" in str(bot.health().reload_problem)


def test_info_says_verdict_and_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(manifest: Manifest) -> Manifest:
        proofs = (LevelProof("level1", "level2", False, "level1 is not better than level2"),)
        order = OrderOfService("measured", ("level2", "level3"), ("level1",), proofs)
        return replace(manifest, order_of_service=order, verdict=VERDICT, gates=(GATE,))

    folder = variant(TRIO, tmp_path / "trio", change=change)
    with Predictor.open(folder) as bot:
        info = bot.info()
    assert (info.verdict, info.service) == ("moves", ("level2", "level3"))
    assert info.not_in_service == {"level1": "level1 is not better than level2"}
    assert info.gates == {"skipped": None}
    assert main(["info", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "verdict   moves" in printed
    assert "service   level2, then level3" in printed
    assert "level1 only where no level in service can answer: level1 is not better than level2" in printed
