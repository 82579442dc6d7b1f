"""Which level serves, what the caller may ask for, and what the reasons say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.golden import GAP, TRIO, changed, full_row, golden_rows, trio_store, variant

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.contracts.manifest import DecisionPolicy
from gradus_runtime.errors import UsageError

OUTSIDE = ("usd_jpy", "vix", "dxy")


@pytest.fixture
def bot() -> Iterator[Predictor]:
    with Predictor.open(TRIO) as predictor:
        yield predictor


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in full_row().items() if name not in names}


def both(bot: Predictor, row: dict[str, Any], **options: Any) -> Any:
    """The decision for a row, which a batch must give as well."""
    single = bot.decide(row, **options)
    (batch,) = bot.predict([row], **options)
    assert (single.action, single.level, single.reasons) == (batch.action, batch.level, batch.reasons)
    assert single.confidence == pytest.approx(batch.confidence, abs=1e-6)
    return single


def test_a_group_that_is_filled_lets_the_best_level_serve_and_is_said(bot: Predictor) -> None:
    decision = both(bot, without("usd_jpy", "dxy"), fill={"external_api": 0.0})
    assert decision.level == "level1"
    assert decision.reasons == ("filled by the caller: usd_jpy, dxy",)
    expected = bot.decide({**full_row(), "usd_jpy": 0.0, "dxy": 0.0})
    assert decision.probabilities == expected.probabilities


def test_a_single_feature_can_be_filled(bot: Predictor) -> None:
    assert both(bot, without("vix"), fill={"vix": 20}).level == "level1"
    assert both(bot, without("vix", "dxy"), fill={"vix": 20}).reasons == ("level1: missing dxy",)


def test_what_is_there_is_not_filled(bot: Predictor) -> None:
    assert both(bot, full_row(), fill={"external_api": 0.0}).reasons == ()


def test_a_group_that_is_declared_unavailable_is_not_used(bot: Predictor) -> None:
    decision = both(bot, full_row(), unavailable={"external_api"})
    assert decision.level == "level2"
    assert decision.reasons == ("level1: external_api declared unavailable",)
    same = both(bot, without("close"), unavailable="signals")
    assert same.reasons == (
        "level1: missing close; signals declared unavailable",
        "level2: missing close; signals declared unavailable",
        "level3: missing close",
    )


def test_a_group_declared_unavailable_can_be_filled(bot: Predictor) -> None:
    decision = both(bot, full_row(), unavailable={"external_api"}, fill={"external_api": 1.0})
    assert decision.level == "level1"
    assert decision.probabilities == bot.decide({**full_row(), **dict.fromkeys(OUTSIDE, 1.0)}).probabilities


def test_below_min_level_the_fallback_answers(bot: Predictor) -> None:
    decision = both(bot, without("vix", "reversal"), min_level="level2")
    assert (decision.action, decision.level) == ("HOLD", "fallback")
    assert decision.reasons == (
        "level1: missing reversal, vix",
        "level2: missing reversal",
        "level3: not tried, as min_level is level2",
    )
    assert both(bot, without("vix"), min_level="level2").level == "level2"


def test_a_weak_call_is_held_and_said(bot: Predictor) -> None:
    strong = both(bot, full_row(), use_confidence=False)
    assert strong.reasons == ()
    held = both(bot, full_row(), confidence_threshold=0.999)
    assert held.action == "HOLD"
    assert held.confidence == strong.confidence
    assert held.level == "level1"
    assert held.reasons == (f"{strong.action} with confidence {strong.confidence:.3f} is below 0.999: HOLD",)


def test_the_confidence_threshold_is_the_artifacts_else_the_predictors_else_the_calls(tmp_path: Path) -> None:
    policy = DecisionPolicy(0.99, "HOLD", 0.5, (0.25, 0.5, 0.25), None)
    strict = variant(TRIO, tmp_path / "v", change=changed(decision=policy))
    with Predictor.open(strict) as bot:
        assert bot.decide(full_row()).action == "HOLD"
        assert bot.decide(full_row(), confidence_threshold=0.0).reasons == ()
    with Predictor.open(strict, confidence_threshold=0.0) as bot:
        assert bot.decide(full_row()).reasons == ()
        assert bot.info().confidence_threshold == 0.0


@pytest.mark.parametrize(
    "threshold", [float("nan"), np.float32("nan"), 7, -5, -1e-9, 1.0000001, float("inf"), "0.5"]
)
@pytest.mark.parametrize("use_confidence", [True, False])
def test_a_threshold_beyond_0_to_1_is_refused_by_every_call(
    bot: Predictor, threshold: Any, use_confidence: bool
) -> None:
    for call in (lambda **o: bot.decide(full_row(), **o), lambda **o: bot.predict([full_row()], **o)):
        with pytest.raises(UsageError, match=r"confidence_threshold: a threshold must lie in \[0, 1\]"):
            call(confidence_threshold=threshold, use_confidence=use_confidence)


def test_the_command_refuses_a_threshold_that_is_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("close\n1\n")
    assert main(["predict", str(TRIO), "--input", str(tmp_path / "rows.csv"), "--threshold", "nan"]) == 2
    assert "a threshold must lie in [0, 1], but got nan" in capsys.readouterr().err


def test_a_confidence_of_exactly_the_threshold_is_no_weak_call_alone_or_in_a_batch(bot: Predictor) -> None:
    confidence = bot.decide(full_row()).confidence
    assert both(bot, full_row(), confidence_threshold=confidence).reasons == ()


def test_reasons_name_a_handful_of_features_and_count_the_others(bot: Predictor) -> None:
    assert both(bot, {}).reasons[0] == "level1: missing close, volume, rsi, atr, breakout and 4 more"


def test_reasons_of_a_batch_are_a_sequence(bot: Predictor) -> None:
    batch = bot.predict([full_row(), {}, without("vix")])
    assert batch.reasons[-1] == ("level1: missing vix",)
    assert len(batch.reasons) == 3
    assert batch.reasons[1:] == [batch.reasons[1], batch.reasons[2]]
    with pytest.raises(IndexError):
        batch[3]


def test_levels_agree_with_a_plain_rule_on_random_gaps(bot: Predictor) -> None:
    groups = {"level1": range(9), "level2": range(6), "level3": range(4)}
    random = np.random.Generator(np.random.PCG64(3))
    features = golden_rows()["features"]
    table = np.where(random.random(features.shape) < 0.1, np.nan, features).astype(np.float32)
    predictions = bot.predict(table, names=bot.feature_names_in_.tolist())
    for row, level in zip(table, predictions.levels, strict=True):
        able = [name for name, columns in groups.items() if np.isfinite(row[list(columns)]).all()]
        assert level == (able[0] if able else "fallback")
        singles = bot.decide(dict(zip(bot.feature_names_in_.tolist(), row.tolist(), strict=True)))
        assert singles.level == level


def test_the_quick_way_and_the_careful_way_agree_when_outages_come_and_go(bot: Predictor) -> None:
    rows = [full_row(0), without(*OUTSIDE), without("vix"), without("vix", "breakout"), full_row(1), {}]
    rows += [
        without("close"),
        {**full_row(2), "vix": None},
        {**full_row(2), "vix": float("inf")},
        full_row(3),
    ]
    expected = [(d.level, d.reasons) for d in bot.predict(rows)]
    for _ in range(3):
        assert [(d.level, d.reasons) for d in map(bot.decide, rows)] == expected
        rows.reverse()
        expected.reverse()


def test_an_old_name_serves_from_its_level(tmp_path: Path) -> None:
    trio_store(tmp_path / "trio")
    with pytest.warns(FutureWarning):
        bot = Predictor.open(tmp_path / "trio" / "production_ensemble.pkl")
    with bot:
        decision = bot.decide(full_row())
        assert (decision.level, decision.reasons) == ("level2", ())
        assert bot.decide(without("breakout")).level == "level3"
        assert bot.get_model_info()["n_features"] == 6
        assert bot.drift().rows == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fill": {"external_api": float("nan")}}, "fill['external_api']: a filling must be a finite number"),
        ({"fill": {"moon": 1.0}}, "fill: a group or feature must be known, but got 'moon'"),
        ({"min_level": "level9"}, "min_level: a level must be known, but got 'level9'"),
        ({"unavailable": ["moon"]}, "Groups: basic, signals, external_api."),
    ],
)
def test_what_is_unknown_is_refused(bot: Predictor, options: dict[str, Any], message: str) -> None:
    for call in (lambda: bot.decide(full_row(), **options), lambda: bot.predict([full_row()], **options)):
        with pytest.raises(UsageError) as caught:
            call()
        assert message in str(caught.value)


GAP_NAMES = ("close", "volume", "usd_jpy", "vix", "rsi", "atr")


def test_a_level_may_lack_a_group_in_the_middle() -> None:
    golden = golden_rows(GAP)
    with Predictor.open(GAP) as bot:
        assert tuple(bot.feature_names_in_.tolist()) == GAP_NAMES
        table = golden["features"].copy()
        table[:, 2] = np.nan
        batch = bot.predict(table, names=GAP_NAMES)
        assert set(batch.levels.tolist()) == {"level2"}
        assert np.abs(batch.probabilities - golden["level2"]).max() < 1e-6
        for i, expected in enumerate(golden["level2"]):
            row = dict(zip(GAP_NAMES, table[i].tolist(), strict=True))
            for _ in range(2):
                decision = bot.decide(row)
                assert (decision.level, decision.reasons) == ("level2", ("level1: missing usd_jpy",))
                assert list(decision.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-6)
        assert bot.predict(golden["features"][:, [0, 1, 4, 5]], ordered=True).levels[0] == "level2"
        assert bot.drift().levels["level2"] == 1.0


def test_a_full_row_is_served_by_level1_again_after_a_gap() -> None:
    golden = golden_rows(GAP)
    full = dict(zip(GAP_NAMES, golden["features"][0].tolist(), strict=True))
    with Predictor.open(GAP) as bot:
        for level, row in (
            ("level2", full | {"vix": None}),
            ("level1", full),
            ("level3", full | {"atr": None}),
        ):
            if level == "level3":
                row = row | {"vix": None}
            got = bot.decide(row)
            assert got.level == level
            expected = golden[level][0].tolist()
            assert list(got.probabilities.values()) == pytest.approx(expected, abs=1e-6)
