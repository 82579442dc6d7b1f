"""Outcomes, the live record and its verdict: against plain Python, integrals and planted faults."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats
from tests.support.golden import OLDER_TRIO, TRIO, changed, full_row, trio_store, variant
from tests.support.live_bot import BAR_MS, DAY, SHARES, START, made_up, promising, walk, write_candles

from gradus_live.candles import load_bars
from gradus_live.costs import Costs
from gradus_live.labels import Column, FixedHorizon, Meta, TripleBarrier, outcomes, to_contract
from gradus_live.outcomes import join, merge_outcomes, read_outcomes, write_outcomes
from gradus_live.outcomes.join import Contract
from gradus_live.record import build_record, render_page, render_record
from gradus_live.record.group import NO_PROMISE
from gradus_live.record.sequence import (
    _factor,
    blocks_needed,
    blocks_of_days,
    evidence_below,
    evidence_so_far,
    mean_sequence,
    running,
)
from gradus_runtime import DataError, Predictor
from gradus_runtime.cli import main
from gradus_runtime.contracts.manifest import StatedCosts as Held
from gradus_runtime.journal import DecisionLine, read_journal

COSTS = Costs("exchange and pair", "2026-01-01", 0.0, 4.0, 0.5, 0.5, 0.0)
LABELS = "[labels]\nhorizon = 4\nthreshold = 0.003\n"


def decided(tmp_path: Path, bars: int, *, start: int = 0, journal: str = "journal") -> list[DecisionLine]:
    """The decisions of a bot for so many bars."""
    store = trio_store(tmp_path / "store") if not (tmp_path / "store").exists() else tmp_path / "store"
    source = store if isinstance(store, Path) else store.path
    with Predictor.open(source, max_age_days=1e5, journal=tmp_path / journal, sync="never") as bot:
        for i in range(start, start + bars):
            bot.decide(full_row(i % 32), at=START + i * BAR_MS)
    return list(read_journal([tmp_path / journal]).decisions)


def contract(lines: list[DecisionLine], label: Any) -> dict[str, Contract]:
    names = ("close", "volume", "rsi", "atr", "breakout", "reversal", "usd_jpy", "vix", "dxy")
    return {line.digest: Contract(("SELL", "HOLD", "BUY"), names, label) for line in lines}


# ---------------------------------------------------------------- outcomes


def test_an_outcome_is_the_label_of_training_at_the_decisions_bar(tmp_path: Path) -> None:
    lines, bars = decided(tmp_path, 60), walk(50)
    rule = TripleBarrier(take_profit=0.004, stop_loss=0.004, horizon=4)
    expected = outcomes(rule, bars)
    found = join(lines, bars, contract(lines, rule))
    assert (len(found.lines), found.pending, found.without_bar) == (46, 14, 0)
    for i, line in enumerate(found.lines):
        assert line.bar == START + i * BAR_MS
        assert line.id == lines[i].id
        assert line.label == ("SELL", "HOLD", "BUY")[expected.labels[i]]
        assert line.long == expected.long[i]
        assert line.short_bars == expected.short_bars[i]
        assert line.side == {"BUY": 1, "SELL": -1, "HOLD": 0}[line.action]
        assert line.net is None
    known = {d: dataclasses.replace(c, costs=COSTS) for d, c in contract(lines, rule).items()}
    for line in join(lines, bars, known).lines:
        gross = {1: line.long, -1: line.short, 0: None}[line.side or 0]
        assert line.net == (None if gross is None else pytest.approx(gross - 2 * 5.0e-4))


def test_a_bar_in_whose_reach_candles_are_missing_is_never_known_until_they_come(tmp_path: Path) -> None:
    lines, bars = decided(tmp_path, 20), walk(30)
    gap = np.ones(30, bool)
    gap[10] = False
    holed = dataclasses.replace(
        bars,
        timestamps=bars.timestamps[gap],
        close=bars.close[gap],
        open=None,
        high=None,
        low=None,
    )
    rule = contract(lines, FixedHorizon(horizon=4, threshold=0.003))
    first = join(lines, holed, rule).lines
    assert [i for i, line in enumerate(first) if line.label is None] == [6, 7, 8, 9, 10]
    later = join(lines, bars, rule).lines
    assert all(line.label is not None for line in later)
    assert merge_outcomes(first, later) == later
    assert [line.label for line in merge_outcomes(later, first)] == [
        line.label if line.label is not None else later[i].label for i, line in enumerate(first)
    ]


def test_outcomes_are_the_same_whenever_and_however_often_they_are_joined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decided(tmp_path, 60)
    bars, labels, out = walk(80), tmp_path / "training.toml", tmp_path / "outcomes.jsonl"
    labels.write_text(LABELS, "ascii")
    whole = write_candles(tmp_path / "whole.csv", bars)
    early = write_candles(tmp_path / "early.csv", bars, slice(0, 30))
    late = write_candles(tmp_path / "late.csv", bars, slice(20, 80))

    def run(*candles: Path, to: Path = out) -> dict[str, Any]:
        arguments = ["outcomes", "--journal", str(tmp_path / "journal"), "--store", str(tmp_path / "store")]
        for file in candles:
            arguments += ["--candles", str(file)]
        assert main([*arguments, "--labels", str(labels), "--out", str(to), "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    assert run(early)["pending"] == 34
    first = out.read_bytes()
    assert run(early)["added"] == 0
    assert out.read_bytes() == first
    assert run(early, late) == {
        "decisions": 60,
        "outcomes": 60,
        "added": 34,
        "never_known": 0,
        "pending": 0,
        "without_bar": 0,
        "unknown_versions": 0,
    }
    at_once = tmp_path / "at_once.jsonl"
    run(whole, to=at_once)
    assert out.read_bytes() == at_once.read_bytes()
    assert len(read_outcomes(out)) == 60


def test_decisions_without_a_bar_or_a_version_are_counted(tmp_path: Path) -> None:
    lines = decided(tmp_path, 3)
    with Predictor.open(OLDER_TRIO, max_age_days=1e5, journal=tmp_path / "journal") as bot:
        bot.decide(full_row(), at=START)
        bot.decide(full_row())
    every = list(read_journal([tmp_path / "journal"]).decisions)
    found = join(every, walk(30), contract(lines, FixedHorizon()))
    assert (len(found.lines), found.without_bar, found.unknown_versions) == (3, 1, 1)


def test_the_side_of_a_meta_label_comes_from_the_journal(tmp_path: Path) -> None:
    lines, bars = decided(tmp_path, 20), walk(40)
    rule = Meta("breakout", FixedHorizon(horizon=2, threshold=0.001))
    side = np.full(40, np.nan)
    side[:20] = [full_row(i)["breakout"] for i in range(20)]
    expected = outcomes(rule, bars, side=side).labels[:20]
    found = join(
        lines,
        bars,
        {d: dataclasses.replace(c, classes=("LOSS", "WIN")) for d, c in contract(lines, rule).items()},
    )
    assert [line.label for line in found.lines] == [(None if k < 0 else ("LOSS", "WIN")[k]) for k in expected]
    with pytest.raises(DataError, match="the side of a meta label must be a feature"):
        join(lines, bars, contract(lines, Meta("signal")))
    with pytest.raises(DataError, match="candles alone do not tell the label column"):
        join(lines, bars, contract(lines, Column(reach=2)))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("close\n1\n2\n", "candles need a column timestamp"),
        ("timestamp,open\n1767225600000,1\n1767226500000,1\n", "candles need a column close"),
        ("timestamp,close\n1767225600,1\n1767226500,2\n", "must be in milliseconds since 1970"),
        ("timestamp,close\n2026-01-01T00:00:00,1\n", "must say its offset from UTC"),
        ("timestamp,close\n2026-01-01T00:00:00Z,1\n", "must hold at least two bars"),
        ("timestamp,close\n1767225600000,-1\n1767226500000,2\n", "a price must be above 0"),
    ],
)
def test_candles_that_are_none_are_refused(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "candles.csv"
    path.write_text(text, "ascii")
    with pytest.raises(DataError, match=error):
        load_bars([path])


def test_stamps_of_closes_are_moved_to_the_opening(tmp_path: Path) -> None:
    path = write_candles(tmp_path / "candles.csv", walk(5))
    moved = load_bars([path], stamps="close")
    assert (moved.timestamps + BAR_MS).tolist() == load_bars([path]).timestamps.tolist()
    assert load_bars([path], bar_ms=60_000).bar_ms == 60_000


# ---------------------------------------------------------------- what may be looked at daily


def test_the_factor_is_the_integral_over_the_prior() -> None:
    rng = np.random.default_rng(2)
    for n, shift in ((5, 0.0), (12, -0.7), (40, 0.3)):
        values = rng.standard_normal(n) + shift
        t = float(values.mean() / values.std(ddof=1) * math.sqrt(n))

        def inside(effect: float, n: int = n, t: float = t) -> float:
            prior = stats.norm.pdf(effect, 0, math.sqrt(0.1))
            return float(stats.nct.pdf(t, n - 1, effect * math.sqrt(n)) * prior)

        total, _ = integrate.quad(inside, -4, 4, limit=200)
        assert _factor(n, t / math.sqrt(n)) == pytest.approx(total / stats.t.pdf(t, n - 1), rel=1e-6)


def effect(values: Any) -> float:
    return float(values.mean() / values.std(ddof=1))


@pytest.mark.parametrize("side", [1, -1])
def test_the_sequence_is_where_the_factor_is_below_one_over_alpha_and_wider_where_blocks_are_skewed(
    side: int,
) -> None:
    values = side * (np.random.default_rng(3).exponential(size=30) - 0.8)
    ordered = np.sort(values)  # low and high in turns: what correlates is another test
    values = np.column_stack([ordered[:15], ordered[15:]]).ravel()
    found = mean_sequence(values, 0.05)
    near, far = (found.low, found.high) if side > 0 else (found.high, found.low)
    assert _factor(30, effect(values - near)) == pytest.approx(20, rel=1e-9)
    assert _factor(30, effect(values - (near + side * 0.01))) < 20
    assert found.mean == pytest.approx(values.mean())
    # N. J. Johnson 1978: the t-statistic of skewed values, at the other end
    s, n = values.std(ddof=1), 30
    third = ((values - values.mean()) ** 3).mean()
    distance = abs(near - found.mean)
    shift = third / (6 * s**2 * n) + third / (3 * s**4) * distance**2
    assert far == pytest.approx(found.mean + side * distance + shift)
    even = np.resize([1.0, -1.0, 3.0, -3.0], 40)
    assert mean_sequence(even).high == pytest.approx(-mean_sequence(even).low)


def test_blocks_that_resemble_the_day_before_count_for_less() -> None:
    """Each is made of its own draw and the one before: a correlation of 0.48; a fall within makes none."""
    drawn = np.random.default_rng(8).standard_normal(20_001)
    alike, alone = 0.8 * drawn[1:] + 0.6 * drawn[:-1], drawn[1:]
    width = [(s.high - s.low) / 2 / part.std() for part in (alike, alone) if (s := mean_sequence(part))]
    assert width[0] / width[1] == pytest.approx(math.sqrt(1.48 / 0.52), rel=0.05)
    fallen = np.concatenate([alone[:60], alone[60:120] - 20])
    spread = fallen.std(ddof=1)
    found, plain = mean_sequence(fallen), mean_sequence(in_turns(120))
    assert (found.mean - found.low) / spread == pytest.approx(
        plain.high / in_turns(120).std(ddof=1), rel=0.25
    )
    assert 0 < evidence_below(alike[:40] - 0.8) < evidence_below(alone[:40] - 0.8)


def in_turns(count: int) -> Any:
    """Blocks from -1 to 1, low and high in turns: they neither correlate nor are skewed."""
    ordered, half = np.linspace(-1.0, 1.0, count), (count + 1) // 2
    found = np.empty(count)
    found[::2], found[1::2] = ordered[:half], ordered[half:]
    return found


def test_blocks_that_are_skewed_raise_no_more_false_alarms_than_stated() -> None:
    """Exponential blocks with a mean of 0 and their tail towards more skill; and by the factor alone."""
    rng = np.random.default_rng(1)
    ever = plain = outside = 0
    for _ in range(80):
        days = rng.exponential(size=116) - 1
        ever += evidence_so_far(days)[0] >= 20
        outside += any(not s.low <= 0 <= s.high for s in running(days.tolist()))
        plain += any(days[:k].mean() < 0 and _factor(k, effect(days[:k])) >= 10 for k in range(5, 117))
    assert ever <= 6
    assert outside <= 6
    assert plain >= 8  # what the correction is for


def test_daily_looks_are_wrong_no_more_often_than_stated() -> None:
    """A bot as good as the lowest fold, looked at every day for half a year; and the same by a p-value."""
    rng = np.random.default_rng(4)
    ever = naive = outside = 0
    for _ in range(60):
        days = 0.03 * rng.standard_t(5, 120)
        looks = [days[:k] for k in range(5, 121)]
        ever += any(evidence_below(part) >= 20 for part in looks)
        outside += any(not (s := mean_sequence(part)).low <= 0 <= s.high for part in looks)
        naive += any(stats.ttest_1samp(part, 0, alternative="less").pvalue < 0.05 for part in looks)
    assert ever <= 4
    assert outside <= 6
    assert naive >= 10  # what the sequence is for


def test_a_fall_is_found_from_the_beginning_and_from_any_week() -> None:
    rng = np.random.default_rng(5)
    good, bad = 0.02 + 0.03 * rng.standard_normal(60), -0.05 + 0.03 * rng.standard_normal(30)
    assert evidence_below(good) < 1
    assert evidence_below(bad) >= 20
    assert evidence_below(np.concatenate([good, bad])) >= 20
    assert evidence_below(good[::-1]) < 1


def test_blocks_are_whole_days_and_join_thin_ones() -> None:
    stamps = START + BAR_MS * np.arange(3 * DAY + 10)
    values = np.arange(len(stamps), dtype=float)
    blocks = blocks_of_days(stamps, values, BAR_MS, 24)
    assert blocks.counts.tolist() == [DAY] * 3
    assert blocks.means[0] == values[:DAY].mean()
    assert len(blocks_of_days(stamps[: 2 * DAY], values[: 2 * DAY], BAR_MS, 24).means) == 2
    thin = blocks_of_days(stamps[::8], values[::8], BAR_MS, 24)
    assert thin.counts.tolist() == [24]
    assert len(blocks_of_days(stamps[:0], values[:0], BAR_MS, 24).means) == 0


def test_the_number_of_blocks_needed_is_the_first_that_is_enough() -> None:
    needed = blocks_needed(0.01, 0.03)
    wide, narrow = (in_turns(n) for n in (needed - 1, needed))
    widths = [
        (s.high - s.low) / 2 / part.std(ddof=1) for part in (wide, narrow) if (s := mean_sequence(part))
    ]
    assert widths[0] * 0.03 > 0.01 >= widths[1] * 0.03


# ---------------------------------------------------------------- the record


def manifests(*versions: str, **promise: Any) -> dict[str, Any]:
    return {version: promising(version, **promise) for version in versions or ("2026.1.4",)}


def test_a_bot_that_holds_what_was_promised_is_said_to() -> None:
    record = build_record(made_up(40 * DAY), manifests(low=0.03, high=0.1), COSTS)
    group = record.overall
    assert group.verdict == "as promised", group.sentence
    assert group.evidence < 20
    assert group.skill.low < group.skill.mean < group.skill.high
    assert (group.bars, group.blocks) == (40 * DAY, 40)


def test_early_is_said_to_be_early() -> None:
    record = build_record(made_up(4 * DAY + 28), manifests(), COSTS)
    assert record.overall.sentence == "too early: 412 of 480 bars"


def test_a_lowest_fold_beside_no_skill_does_not_make_it_early_for_ever() -> None:
    """Folds from +0.0005 to +0.1 promise as much as folds from -0.0005 to +0.1."""
    lines = made_up(60 * DAY)
    below, above = (
        build_record(lines, manifests(low=low, high=0.1), None).overall for low in (-0.0005, 0.0005)
    )
    assert below.verdict == above.verdict == "as promised"
    assert above.bars_needed == pytest.approx(below.bars_needed, rel=0.05)
    certain = build_record(lines, manifests(low=0.08, high=0.1), None).overall
    assert certain.bars_needed is not None
    assert above.bars_needed is not None
    assert certain.bars_needed <= above.bars_needed


def test_a_record_that_is_no_better_than_knowing_nothing_says_so_on_its_first_line() -> None:
    known = manifests(low=-0.5, high=0.1)
    without = build_record(made_up(30 * DAY, skill=0.0), known, None)
    assert without.overall.verdict == "as promised"
    assert (
        render_record(without).splitlines()[0].endswith("; worse than the class shares, which know nothing")
    )
    assert 'class="verdict wait"' in render_page(without)
    skilled = build_record(made_up(30 * DAY), known, None)
    assert render_record(skilled).splitlines()[0].endswith("; better than the class shares")
    assert 'class="verdict good"' in render_page(skilled)


def test_a_bot_without_skill_is_said_to_be_worse_and_so_is_one_that_loses_it() -> None:
    known = manifests(low=0.05, high=0.1)
    assert build_record(made_up(25 * DAY, skill=0.0), known, None).overall.verdict == "worse than promised"
    lines = made_up(90 * DAY, skill_from=(45 * DAY, 0.0))
    assert build_record(lines[: 45 * DAY], known, None).overall.verdict == "as promised"
    said = next(
        day
        for day in range(47, 91, 3)
        if build_record(lines[: day * DAY], known, None).overall.verdict == "worse than promised"
    )
    assert said <= 62


def test_what_was_said_stays_said() -> None:
    """A bot that is worse for three weeks and then as good as promised was worse than promised."""
    lines = made_up(80 * DAY, skill=0.0, skill_from=(21 * DAY, 1.0))
    known = manifests(low=0.05, high=0.1)
    early, late = (build_record(lines[: days * DAY], known, None).overall for days in (21, 80))
    assert early.verdict == late.verdict == "worse than promised"
    assert early.sentence.split(":")[0] == late.sentence.split(":")[0]
    assert late.evidence >= early.evidence


def test_the_spread_of_the_folds_is_the_promise_and_not_their_mean() -> None:
    """A bot whose skill is that of the lowest fold is as promised, though far below their mean."""
    lines = made_up(60 * DAY)
    skill = build_record(lines, manifests(), None).overall.skill.mean
    low = manifests(low=skill * 0.9, high=skill * 4)
    assert build_record(lines, low, None).overall.verdict == "as promised"
    above = manifests(low=skill * 1.5, high=skill * 2)
    assert build_record(lines, above, None).overall.verdict == "worse than promised"


@pytest.mark.parametrize("change", [{"folds": 2}, {}])
def test_without_a_spread_there_is_no_promise(change: dict[str, Any]) -> None:
    known = manifests(**change)
    if not change:
        known = {
            k: dataclasses.replace(m, levels=tuple(dataclasses.replace(s, metrics={}) for s in m.levels))
            for k, m in known.items()
        }
    group = build_record(made_up(10 * DAY), known, None).overall
    assert (group.verdict, group.promise) == (NO_PROMISE, None)


def test_figures_are_those_of_plain_python() -> None:
    lines = made_up(6 * DAY, seed=3)
    lines = [dataclasses.replace(s, action="HOLD", side=0) if i % 5 == 0 else s for i, s in enumerate(lines)]
    record = build_record(lines, manifests(), COSTS)
    classes = ("SELL", "HOLD", "BUY")
    skills, right, acted_right, acted, confidence = [], [], [], 0, []
    for line in lines:
        p = np.frombuffer(bytes.fromhex(line.bits), ">f4").astype(float)
        y = np.eye(3)[classes.index(str(line.label))]
        skills.append(sum((np.array(SHARES) - y) ** 2) - sum((p - y) ** 2))
        right.append(line.call == line.label)
        confidence.append(p.max())
        if line.side:
            acted += 1
            acted_right.append(line.call == line.label)
    group = record.overall
    assert group.skill.mean == pytest.approx(
        np.mean([np.mean(skills[d * DAY : (d + 1) * DAY]) for d in range(6)])
    )
    assert group.accuracy == pytest.approx(np.mean(right))
    assert (group.calls, group.hit_rate) == (acted, pytest.approx(np.mean(acted_right)))
    bins: dict[int, list[float]] = {}
    for c, r in zip(confidence, right, strict=True):
        bins.setdefault(min(9, int(c * 10)), []).append(c - r)
    assert group.calibration == pytest.approx(sum(abs(sum(b)) for b in bins.values()) / len(lines))
    total, free = 0.0, 0
    trades = 0
    for i, line in enumerate(lines):
        if line.side and i >= free:
            gain = line.long if line.side > 0 else line.short
            assert gain is not None
            total += gain - 2 * 5.0e-4
            free, trades = i + 4, trades + 1
    assert group.money is not None
    assert (group.money.trades, group.money.total) == (trades, pytest.approx(total))
    assert record.days[-1].net == pytest.approx(total)


def test_processes_and_their_order_do_not_matter() -> None:
    """96 processes of a row each, in any order and some twice, report what one process of 96 rows does."""
    lines = made_up(20 * DAY)
    expected = build_record(lines, manifests(), COSTS)
    parts = [dataclasses.replace(line, id=f"{random.Random(i).random()}") for i, line in enumerate(lines)]
    random.Random(1).shuffle(parts)
    assert build_record(parts, manifests(), COSTS) == expected
    again = [
        dataclasses.replace(line, id=line.id + "x", decided="2026-02-01T00:00:00Z") for line in lines[:7]
    ]
    assert build_record(parts + again, manifests(), COSTS) == dataclasses.replace(expected, repeated=7)


def test_96_processes_of_one_row_report_what_one_process_of_96_rows_does(tmp_path: Path) -> None:
    rows = [(full_row(i % 32), START + i * BAR_MS) for i in range(96)]
    with Predictor.open(TRIO, max_age_days=1e5, journal=tmp_path / "one", sync="never") as bot:
        for row, at in rows:
            bot.decide(row, at=at)
    for i in random.Random(3).sample(range(96), 96):
        with Predictor.open(TRIO, max_age_days=1e5, journal=tmp_path / "many", sync="never") as bot:
            bot.decide(rows[i][0], at=rows[i][1])
    records = []
    for folder in (tmp_path / "one", tmp_path / "many"):
        lines = list(read_journal([folder]).decisions)
        joined = join(lines, walk(120), contract(lines, FixedHorizon(4, 0.003)))
        known = {lines[0].digest: promising(TRIO.name)}
        records.append(build_record(joined.lines, known, COSTS, pending=joined.pending))
    assert records[0].bars == 96
    assert records[0] == records[1]


def test_versions_and_levels_have_records_of_their_own_and_unknown_ones_are_left_out() -> None:
    first = made_up(10 * DAY)
    second = made_up(10 * DAY, version="2026.1.14", level="level2", first=10 * DAY, seed=1)
    lost = made_up(3, version="2026.2.1", first=20 * DAY)
    blank = dataclasses.replace(made_up(1, first=21 * DAY)[0], label=None)
    fallback = dataclasses.replace(made_up(1, first=22 * DAY)[0], level="fallback", call=None, action="HOLD")
    record = build_record(
        [*first, *second, *lost, blank, fallback], manifests("2026.1.4", "2026.1.14"), COSTS
    )
    assert [(g.version, g.level, g.bars) for g in record.versions] == [
        ("2026.1.4", "all", 960),
        ("2026.1.14", "all", 960),
    ]
    assert [(g.version, g.level) for g in record.levels] == [("all", "level1"), ("all", "level2")]
    assert [(g.version, g.level) for g in record.groups] == [("2026.1.4", "level1"), ("2026.1.14", "level2")]
    assert (record.without_artifact, record.without_outcome, record.fallback) == (3, 1, 1)
    assert record.overall.bars == 1920


def test_an_empty_record_says_so() -> None:
    record = build_record([], {}, COSTS)
    assert record.bars == 0
    assert render_record(record).startswith(": no decision has an outcome yet")
    assert "No whole day has passed yet" in render_page(record)


def test_where_training_tells_no_class_shares_those_of_the_days_before_are_used() -> None:
    manifest = promising()
    bare = dataclasses.replace(
        manifest, levels=tuple(dataclasses.replace(s, metrics={}) for s in manifest.levels)
    )
    without = build_record(made_up(60 * DAY, skill=0.0), {"2026.1.4": bare}, None).overall
    assert without.skill.mean < 0
    assert build_record(made_up(60 * DAY), {"2026.1.4": bare}, None).overall.skill.low > 0


def test_text_and_page_begin_with_the_verdict() -> None:
    record = build_record(made_up(30 * DAY, skill=0.0), manifests(low=0.05, high=0.1), COSTS, pending=4)
    text, page = render_record(record), render_page(record)
    assert re.match(
        r"trio: worse than promised, said on 2026-01-\d\d: below the lowest fold of training", text
    )
    assert '<p class="verdict bad">Worse than promised' in page
    assert "4 decisions wait for their outcome" in page
    assert "http" not in page.replace("http-equiv", "")
    assert render_page(record) == page
    assert "exchange and pair" in page


def test_names_in_a_page_are_escaped() -> None:
    lines = [dataclasses.replace(line, artifact="<script>") for line in made_up(DAY)]
    assert "<script>" not in render_page(build_record(lines, manifests(), COSTS))


# ---------------------------------------------------------------- the commands


def test_the_command_reports_from_journals_and_from_kept_outcomes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(tmp_path, 2 * DAY)
    decided(tmp_path, DAY, start=2 * DAY, journal="other")
    labels, costs = tmp_path / "training.toml", tmp_path / "costs.toml"
    labels.write_text(LABELS, "ascii")
    costs.write_text(
        'format = "gradus-costs/1"\nmarket = "x"\nas_of = 2026-01-01\nmaker_fee = 0.0\ntaker_fee = 4.0\n'
        "spread = 0.5\nslippage = 0.5\nfunding_per_day = 0.0\n",
        "ascii",
    )
    candles = write_candles(tmp_path / "candles.csv", walk(4 * DAY))
    shared = ["--store", str(tmp_path / "store"), "--costs", str(costs), "--json"]
    journals = ["--journal", str(tmp_path / "journal"), "--journal", str(tmp_path / "other")]
    later = ["--candles", str(candles), "--labels", str(labels)]
    page = tmp_path / "live.html"
    assert main(["live", *journals, *later, *shared, "--html", str(page)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bars"] == 3 * DAY
    assert found["overall"]["verdict"] == "no promise"
    assert page.read_text("utf-8").startswith("<!doctype html>")
    out = tmp_path / "outcomes.jsonl"
    assert main(["outcomes", *journals, *later, "--store", str(tmp_path / "store"), "--out", str(out)]) == 0
    assert f"{3 * DAY} outcomes in {out}, {3 * DAY} new; 0 decisions wait" in capsys.readouterr().out
    assert main(["live", "--outcomes", str(out), *shared]) == 0
    assert json.loads(capsys.readouterr().out) == found
    monkeypatch.setattr("gradus_runtime.cli.output.terminal_width", lambda: 60)
    assert main(["live", "--outcomes", str(out), *shared[:-1]]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["live"], "decisions must be given"),
        (["live", "--journal", "J"], "a journal needs the candles after its decisions"),
        (
            ["live", "--journal", "J", "--candles", "C"],
            "the label that a version was trained on must be known",
        ),
    ],
)
def test_what_is_missing_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    decided(tmp_path, 3)
    write_candles(tmp_path / "candles.csv", walk(9))
    places = {"J": tmp_path / "journal", "C": tmp_path / "candles.csv"}
    code = main([str(places.get(a, a)) for a in arguments] + ["--store", str(tmp_path / "store")])
    assert code == 2
    assert text in capsys.readouterr().err


def test_fail_on_worse_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(manifest: Any) -> Any:
        return promising(manifest.version, low=0.05, high=0.1)

    artifact = variant(TRIO, tmp_path / "artifact", change=change)
    digest = json.loads(json.dumps((artifact / "manifest.sha256").read_text().split()[0]))
    lines = [dataclasses.replace(line, digest=digest) for line in made_up(25 * DAY, skill=0.0)]
    write_outcomes(tmp_path / "outcomes.jsonl", lines)
    arguments = ["live", "--outcomes", str(tmp_path / "outcomes.jsonl"), str(artifact)]
    assert main(arguments) == 0
    assert main([*arguments, "--fail-on-worse"]) == 1
    assert "worse than promised" in capsys.readouterr().out


def test_label_and_costs_of_the_manifest_are_used_where_none_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = TripleBarrier(take_profit=0.004, stop_loss=0.004, horizon=4)
    told = Held("exchange", "2026-01-01", 0.0, 4.0, 0.5, 0.5, 0.0, "taker")
    artifact = variant(TRIO, tmp_path / "artifact", change=changed(label=to_contract(rule), costs=told))
    with Predictor.open(artifact, max_age_days=1e5, journal=tmp_path / "journal", sync="never") as bot:
        for i in range(DAY):
            bot.decide(full_row(i % 32), at=START + i * BAR_MS)
    candles = write_candles(tmp_path / "candles.csv", walk(2 * DAY))
    source = ["--journal", str(tmp_path / "journal"), "--candles", str(candles), str(artifact)]
    assert main(["live", *source, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["bars"], found["market"]) == (DAY, "exchange")
    lines = read_journal([tmp_path / "journal"]).decisions
    known = {
        d: dataclasses.replace(c, costs=Costs(*dataclasses.astuple(told)))
        for d, c in contract(list(lines), rule).items()
    }
    expected = join(lines, walk(2 * DAY), known).lines
    assert main(["outcomes", *source, "--out", str(tmp_path / "outcomes.jsonl")]) == 0
    assert read_outcomes(tmp_path / "outcomes.jsonl") == expected


def test_an_answer_that_the_policy_chose_against_the_most_probable_class_counts_as_a_call() -> None:
    lines = [dataclasses.replace(s, call="HOLD", action="BUY", side=1) for s in made_up(3 * DAY, seed=5)]
    group = build_record(lines, manifests(), COSTS).overall
    assert group.calls == len(lines)
    assert group.hit_rate == pytest.approx(sum(s.label == "BUY" for s in lines) / len(lines))
    held = [dataclasses.replace(s, call="BUY", action="HOLD", side=0) for s in lines]
    assert build_record(held, manifests(), COSTS).overall.calls == 0
