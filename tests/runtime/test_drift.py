"""Drift: what is counted, when it alarms, and that chance alone does not."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from tests.support.golden import TRIO, TRIO_NAMES, full_row, golden_rows

from gradus_runtime import Predictor
from gradus_runtime.contracts.manifest import parse
from gradus_runtime.errors import UsageError
from gradus_runtime.monitoring import chi_square
from gradus_runtime.monitoring.drift_counts import BUFFER_ROWS
from gradus_runtime.monitoring.drift_report import shift_of

MANIFEST = parse((TRIO / "manifest.json").read_bytes())
NAMES = list(TRIO_NAMES)
TENTHS = [500] * 10


def generator(seed: int) -> Any:
    return np.random.Generator(np.random.PCG64(seed))


def test_counts_are_those_of_a_plain_rule_for_single_rows_and_batches() -> None:
    table = generator(1).normal(0, 1.5, (BUFFER_ROWS + 44, 9)).astype(np.float32)
    table[::7, 7] = np.nan
    table[::11, 4] = np.nan
    with Predictor.open(TRIO) as bot:
        for row in table:
            bot.decide(dict(zip(NAMES, row.tolist(), strict=True)))
        bot.predict(table, names=NAMES)
        counts = bot._active[0].counts
        assert counts is not None
        report = bot.drift()
    assert report.rows == counts.totals.rows == 2 * len(table)
    for i, feature in enumerate(MANIFEST.features):
        assert feature.histogram is not None
        bins = [0] * (len(feature.histogram.edges) + 1)
        for value in table[:, i].tolist():
            if value == value:
                bins[sum(value > edge for edge in feature.histogram.edges)] += 2
        assert counts.totals.features[i] is not None
        assert counts.totals.features[i].tolist() == bins  # type: ignore[union-attr]
    level3 = np.isnan(table[:, 4])
    level2 = np.isnan(table[:, 7]) & ~level3
    n = len(table)
    assert report.levels == {
        "level1": pytest.approx(1 - (level2 | level3).sum() / n),
        "level2": pytest.approx(level2.sum() / n),
        "level3": pytest.approx(level3.sum() / n),
        "fallback": 0.0,
    }
    found = {(s.level, s.reason): s.rows for s in report.step_downs}
    assert found == {
        ("level1", "missing signals"): 2 * int(level3.sum()),
        ("level1", "missing external_api"): 2 * int((np.isnan(table[:, 7]) & (level2 | level3)).sum()),
        ("level2", "missing signals"): 2 * int(level3.sum()),
    }


def test_classes_and_confidences_are_counted() -> None:
    table = golden_rows()["features"]
    with Predictor.open(TRIO) as bot:
        predictions = bot.predict(table, names=NAMES, use_confidence=False)
        report = bot.drift()
        counts = bot._active[0].counts
        assert counts is not None
        by_class = [int((predictions.actions == name).sum()) for name in predictions.classes]
        assert counts.totals.classes[0].tolist() == by_class
        assert counts.totals.classes[1:].sum() == 0
    assert report.confidence_mean == pytest.approx(float(predictions.confidences.mean()), abs=1e-6)
    expected = np.histogram(predictions.confidences, bins=20, range=(0, 1))[0]
    assert report.confidence_histogram == tuple(expected.tolist())
    assert [shift.name for shift in report.classes] == ["level1", "level2", "level3"]
    assert report.classes[0].rows == 32


def test_a_level_out_of_service_is_a_reason(tmp_path: Any) -> None:
    from tests.support.golden import variant

    with Predictor.open(variant(TRIO, tmp_path / "v", files={"level1.onnx": b"none"})) as bot:
        bot.predict([full_row()] * 3)
        bot.decide(full_row())
        bot.decide({})
        report = bot.drift()
    found = {(s.level, s.reason): s.share for s in report.step_downs}
    assert found["level1", "out of service"] == pytest.approx(4 / 5)
    assert found["level3", "missing basic"] == pytest.approx(1 / 5)
    assert report.levels["fallback"] == pytest.approx(1 / 5)


def test_what_the_caller_declares_unavailable_is_missing_and_no_value() -> None:
    with Predictor.open(TRIO) as bot:
        bot.decide(full_row(), unavailable={"external_api"})
        bot.predict([full_row()], unavailable={"external_api"})
        report = bot.drift()
        counts = bot._active[0].counts
        assert counts is not None
        assert [int(c.sum()) for c in counts.totals.features if c is not None] == [2] * 6 + [0] * 3
    assert [(s.level, s.reason, s.rows) for s in report.step_downs] == [("level1", "missing external_api", 2)]


def test_chance_alone_alarms_as_seldom_as_promised_where_the_fixed_limits_alarm_always() -> None:
    random = generator(11)
    rounds, features, alpha = 40, 20, 0.05
    for rows in (60, 1000):
        alarms = fixed = 0
        for _ in range(rounds):
            expected = random.multinomial(5000, [0.1] * 10, size=features).tolist()
            served = random.multinomial(rows, [0.1] * 10, size=features)
            shifts = [shift_of("x", e, s, alpha / features) for e, s in zip(expected, served, strict=True)]
            alarms += any(shift.drifted for shift in shifts)
            fixed += any(shift.psi is not None and shift.psi > 0.1 for shift in shifts)
        assert alarms <= 7  # 2 expected; 8 or more in 40 have a chance below 0.001
        if rows == 60:
            assert fixed == rounds


def test_a_shift_needs_rows_and_bins() -> None:
    assert shift_of("x", TENTHS, np.zeros(10, np.int64), 0.01).psi is None
    assert shift_of("x", TENTHS, np.array([15] + [0] * 9), 0.01).psi is None
    assert shift_of("x", [0] * 10, np.array([50] * 10), 0.01).psi is None
    assert not shift_of("x", TENTHS, np.array([12] * 10), 0.01).drifted


def test_rows_beyond_the_range_of_training_count_with_the_bins_beside_them() -> None:
    expected = [0, 400, 400, 200, 0]
    usual = shift_of("x", expected, np.array([0, 40, 40, 20, 0]), 0.01)
    beyond = shift_of("x", expected, np.array([50, 20, 20, 10, 0]), 0.01)
    assert not usual.drifted
    assert beyond.drifted


def test_psi_is_the_formula() -> None:
    expected, served = [3000, 2000, 5000], np.array([400, 300, 300])
    shift = shift_of("x", expected, served, 0.01)
    e = (np.array(expected) + 0.5) / (10_000 + 1.5)
    a = (served + 0.5) / (1_000 + 1.5)
    assert shift.psi == pytest.approx(float(((a - e) * np.log(a / e)).sum()))
    scale = 1 / 1000 + 1 / 10_000
    assert shift.threshold == pytest.approx(scale * 9.21034037)  # chi-square, 2 degrees of freedom, 0.99
    assert shift.p_value == pytest.approx(chi_square.survival((shift.psi or 0.0) / scale, 2))


@pytest.mark.parametrize(
    ("tail", "df", "expected"),
    [(0.05, 1, 3.841458821), (0.01, 9, 21.66599433), (0.5, 2, 1.386294361), (0.001, 4, 18.46682695)],
)
def test_the_quantile_is_that_of_the_tables(tail: float, df: int, expected: float) -> None:
    assert chi_square.quantile(tail, df) == pytest.approx(expected, rel=1e-8)
    assert chi_square.survival(expected, df) == pytest.approx(tail, rel=1e-6)
    assert chi_square.survival(0.0, df) == 1.0


def test_memory_of_the_counts_does_not_grow() -> None:
    with Predictor.open(TRIO) as bot:
        counts = bot._active[0].counts
        assert counts is not None
        for _ in range(3 * BUFFER_ROWS):
            bot.decide(full_row())
            assert len(counts.held) < BUFFER_ROWS
        sizes = [c.nbytes for c in counts.totals.features if c is not None]
        bot.predict([full_row()] * 5000)
        assert [c.nbytes for c in counts.totals.features if c is not None] == sizes


def test_threads_lose_no_count() -> None:
    with Predictor.open(TRIO) as bot:

        def work() -> None:
            for i in range(700):
                bot.decide(full_row(i % 32))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bot.drift().rows == 2800


def test_without_rows_there_is_an_empty_report() -> None:
    with Predictor.open(TRIO) as bot:
        report = bot.drift()
    assert (report.rows, report.drifted, report.confidence_mean) == (0, (), None)


def test_counting_can_be_switched_off() -> None:
    with Predictor.open(TRIO, drift=False) as bot:
        bot.decide(full_row())
        bot.predict([full_row()])
        with pytest.raises(UsageError, match=r"drift must be counted. Open with drift=True"):
            bot.drift()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha must lie between 0 and 1, but got 0.0"),
        ({"rows_per_observation": 0.5}, "rows_per_observation must be at least 1, but got 0.5"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with Predictor.open(TRIO) as bot, pytest.raises(UsageError) as caught:
        bot.drift(**options)
    assert message in str(caught.value)
