"""The policy of an artifact: which action probabilities become, alone and in a table, and what is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.golden import TRIO, TRIO_NAMES, full_row, golden_rows, variant
from tests.support.manifests import sample_manifest
from tests.support.policies import CLASSES, expected, tilt, window, with_policy

from gradus_runtime import Predictor
from gradus_runtime.cli.main import main
from gradus_runtime.contracts.manifest import Policy, PolicyRule, parse
from gradus_runtime.errors import ManifestError, UsageError
from gradus_runtime.policy import PolicyRules
from gradus_runtime.policy.window import ScoreWindow, count_of
from gradus_runtime.store import Store

ROWS = golden_rows()["features"][:24]
VALUE = Policy(
    "expected_value",
    (
        PolicyRule("SELL", (0.004, -0.002, -0.006), 0.0),
        PolicyRule("BUY", (-0.0061, -0.002, 0.0043), 0.0),
    ),
    None,
    None,
    "for a test",
)


def rows() -> list[dict[str, Any]]:
    return [full_row(i) for i in range(len(ROWS))]


def served_by(folder: Path, policy: Policy | None, **options: Any) -> Predictor:
    return Predictor.open(variant(TRIO, folder, change=with_policy(policy)), **options)


def mixed() -> list[dict[str, Any]]:
    """Rows for each of the levels: those without the outside world and without signals among them."""
    without = [(), ("usd_jpy", "vix", "dxy"), ("usd_jpy", "vix", "dxy", "breakout", "reversal")]
    return [{k: v for k, v in row.items() if k not in without[i % 3]} for i, row in enumerate(rows())]


@pytest.mark.parametrize("policy", [tilt(0.1), tilt(0.6), VALUE], ids=["low", "high", "value"])
def test_alone_and_in_a_table_a_row_gets_what_the_rules_say(tmp_path: Path, policy: Policy) -> None:
    actions = set()
    with served_by(tmp_path / "v", policy) as bot:
        table = bot.predict(mixed())
        for i, row in enumerate(mixed()):
            for _ in range(2):  # the second time by the quick way
                single = bot.decide(row)
            p = list(single.probabilities.values())
            assert single.action == expected(policy, p)[0]
            assert single.call == CLASSES[int(np.argmax(p))]
            assert (single.held is None) == (single.action == single.call)
            assert (single.held in single.reasons) == (single.held is not None)
            again = table[i]
            assert (again.action, again.call, again.held) == (single.action, single.call, single.held)
            assert (table.actions[i], table.calls[i]) == (single.action, single.call)
            assert (table.held[i], table.reasons[i]) == (single.held, single.reasons)
            actions.add(single.action)
    assert len(actions) >= 2


def test_scores_of_rows_and_tables_have_the_same_bits() -> None:
    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.ones(5), 4_000).astype(np.float32)
    weights = rng.normal(size=(3, 5))
    names = tuple("abcde")
    policy = Policy(
        "thresholds",
        tuple(PolicyRule(names[i], tuple(w.tolist()), 0.2) for i, w in enumerate(weights)),
        None,
        None,
        "x",
    )
    rules = PolicyRules(policy.rules, names, "e")
    scores = rules.scores(p)
    labels = rules.choose_all(scores)
    for i, row in enumerate(p.tolist()):
        label, score = rules.choose(row)
        action, top = expected(policy, row, "e")
        assert (label, score) == (int(labels[i]), float(scores[i].max()))
        assert score == top
        assert (names[label] if label >= 0 else "e") == action


def test_a_score_of_exactly_the_threshold_is_a_call_alone_and_in_a_table(tmp_path: Path) -> None:
    with Predictor.open(TRIO) as bot:
        p = bot.decide(full_row()).probabilities
    edge = abs(p["BUY"] - p["SELL"])
    side = "BUY" if p["BUY"] > p["SELL"] else "SELL"
    with served_by(tmp_path / "at", tilt(edge)) as bot:
        assert bot.decide(full_row()).action == side
    with served_by(tmp_path / "above", tilt(float(np.nextafter(edge, 1)))) as bot:
        assert bot.decide(full_row()).action == "HOLD"


def test_what_is_held_is_said_both_ways(tmp_path: Path) -> None:
    with served_by(tmp_path / "v", tilt(0.99)) as bot:
        decision = next(d for d in map(bot.decide, rows()) if d.call == "BUY")
        score = decision.probabilities["BUY"] - decision.probabilities["SELL"]
        assert decision.held == f"BUY scores {score:.4g}, below 0.99: HOLD"
    with served_by(tmp_path / "w", tilt(0.0)) as bot:
        decision = next(d for d in map(bot.decide, rows()) if d.call == "HOLD")
        score = abs(decision.probabilities["BUY"] - decision.probabilities["SELL"])
        said = f"HOLD is more probable, but {decision.action} scores {score:.4g}, at least 0: "
        assert decision.held == said + decision.action
    one = Policy("thresholds", (PolicyRule("BUY", (0.0, 0.0, 1.0), 0.999),), None, None, "x")
    with served_by(tmp_path / "x", one) as bot:
        decision = next(d for d in map(bot.decide, mixed()) if d.call == "SELL")
        assert decision.held == "SELL has no rule in the policy: HOLD"


def test_without_a_policy_a_weak_call_is_held_and_the_call_is_named() -> None:
    with Predictor.open(TRIO) as bot:
        plain = bot.decide(full_row())
        assert (plain.call, plain.held) == (plain.action, None)
        held = next(
            d for d in (bot.decide(r, confidence_threshold=0.999) for r in rows()) if d.call != "HOLD"
        )
        assert held.action == "HOLD"
        assert held.held == f"{held.call} with confidence {held.confidence:.3f} is below 0.999: HOLD"
        table = bot.predict(rows(), confidence_threshold=0.999)
        assert [t.held for t in table] == list(table.held)
        assert bot.decide({}).call is None
        assert bot.decide({}).held is None
        assert list(bot.predict([{}]).calls) == [None]
        assert list(bot.predict([{}]).held) == [None]


def test_a_weak_call_is_held_under_every_policy_and_argmax_can_be_asked_for(tmp_path: Path) -> None:
    with served_by(tmp_path / "v", tilt(0.0)) as bot:
        called = next(row for row in rows() if bot.decide(row).action != "HOLD")
        assert bot.decide(called, confidence_threshold=0.9999).action == "HOLD"
        for row in rows():
            plain = bot.decide(row, use_confidence=False)
            assert (plain.action, plain.held) == (plain.call, None)
        table = bot.predict(rows(), use_confidence=False)
        assert list(table.actions) == list(table.calls)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "argmax"}, "policy.kind: a policy must be thresholds or expected_value"),
        ({"rules": ()}, "policy.rules: a policy must have a rule"),
        ({"rules": (PolicyRule("X", (1.0, 0.0), 0.1),)}, "an action must be a class, but got 'X'"),
        ({"rules": (PolicyRule("SELL", (1.0, 0.0), 0.1),)}, "must not be for the fallback action"),
        ({"rules": (PolicyRule("BUY", (1.0,), 0.1),)}, "there must be 2 weights, one a class"),
        ({"rules": (PolicyRule("BUY", (0.0, 0.0), 0.1),)}, "a weight other than 0"),
        ({"rules": (PolicyRule("BUY", (1.0, 1e9), 0.1),)}, "a weight must lie between"),
        ({"rules": (PolicyRule("BUY", (0.0, 1.0), 0.1),) * 2}, "a policy's action must occur once"),
        ({"expected": 1.5}, "policy.expected: an expected share must lie in"),
        ({"sentence": ""}, "policy.sentence: a text must be printable"),
        ({"trailing": replace(window([0.1, 0.2], 0.5), share=0.6)}, "a trailing share must lie in"),
        ({"trailing": replace(window([0.1, 0.2], 0.5), bars=3)}, "must hold 3 scores"),
        ({"trailing": replace(window([0.1, 0.2], 0.5), scores="?")}, "must hold 2 scores"),
        ({"trailing": window([0.1, np.nan], 0.5)}, "a score must be finite"),
        ({"trailing": replace(window([0.1], 0.5), bars=1)}, "a trailing window must have 2 to"),
    ],
)
def test_a_broken_policy_is_named(change: dict[str, Any], text: str) -> None:
    whole = Policy("thresholds", (PolicyRule("BUY", (0.0, 1.0), 0.6),), window([0.1, 0.2], 0.5), 0.1, "x")
    good = replace(sample_manifest(), policy=whole)
    assert parse(good.to_bytes()) == good
    with pytest.raises(ManifestError, match=text):
        parse(replace(good, policy=replace(whole, **change)).to_bytes())


def test_a_manifest_without_a_policy_does_not_mention_one() -> None:
    data = sample_manifest().to_bytes()
    assert b"policy" not in data
    assert parse(data).policy is None
    value = {**json.loads(data), "policy": None}
    with pytest.raises(ManifestError, match="canonical form"):
        parse(json.dumps(value, indent=2, sort_keys=True).encode() + b"\n")


# --- a threshold that moves


def plain_cutoffs(start: list[float], share: float, bars: list[int], scores: list[float]) -> list[float]:
    """The window in plain Python: the last len(start) scores of distinct bars, newest last."""
    past, found = [(-1, float(np.float32(s))) for s in start], []
    for bar, score in zip(bars, scores, strict=True):
        before = [s for at, s in past if at < bar][-len(start) :]
        k = max(1, int(share * len(before) + 1e-9))
        found.append(sorted(before, reverse=True)[k])
        if bar > past[-1][0]:
            past.append((bar, float(np.float32(score))))
    return found


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_a_window_gives_the_score_that_a_share_of_its_bars_reaches(share: float) -> None:
    rng = np.random.default_rng(3)
    start = rng.random(40).tolist()
    steps = rng.integers(0, 3, 700)  # some bars come twice, some are missing
    bars = (1_000 + np.cumsum(steps)).tolist()
    scores = rng.random(700).round(2).tolist()  # many are equal
    due = plain_cutoffs(start, share, bars, scores)
    one_by_one = ScoreWindow(start, share)
    found = []
    for bar, score in zip(bars, scores, strict=True):
        found.append(one_by_one.cutoff(bar))
        one_by_one.add([(bar, score)])
    assert found == due
    assert ScoreWindow(start, share).walk(bars, np.array(scores)).tolist() == due
    late = bars[-60]
    assert one_by_one.cutoff(late) == due[bars.index(late)]  # decided again: the same


def test_a_bar_that_is_older_than_all_that_is_known_gets_the_present_threshold() -> None:
    scores = ScoreWindow([0.1, 0.2, 0.3, 0.4], 0.25)
    scores.add([(bar, 0.5) for bar in range(1_000, 1_400)])
    assert scores.cutoff(5) == 0.5
    assert count_of(0.25, 4) == 1


def test_a_model_that_says_the_same_of_every_row_is_above_nothing() -> None:
    rules = PolicyRules((PolicyRule("a", (1.0, -1.0), 0.0),), ("a", "b"), "b")
    scores = ScoreWindow([0.25] * 40, 0.2)
    same = np.full((50, 2), [0.625, 0.375], np.float32)
    cutoffs = scores.walk(list(range(50)), rules.scores(same)[:, 0])
    assert set(rules.choose_all(rules.scores(same), cutoffs).tolist()) == {-1}
    assert rules.choose((0.625, 0.375), scores.cutoff(1))[0] == -1
    assert rules.choose((0.6251, 0.3749), scores.cutoff(1))[0] == 0


START = 1_764_547_200_000
MOVING = tilt(0.0, window(np.linspace(0.0, 0.9, 20).tolist(), 0.2))


def bars(count: int = len(ROWS)) -> list[int]:
    return [START + 900_000 * i for i in range(count)]


def test_rows_one_by_one_get_what_a_table_of_them_gets(tmp_path: Path) -> None:
    with served_by(tmp_path / "v", MOVING) as bot:
        table = bot.predict(rows(), at=bars())
        assert table.cutoffs is not None
        assert len(set(table.cutoffs.tolist())) > 1
        singles = [bot.decide(row, at=bar) for row, bar in zip(rows(), bars(), strict=True)]
        assert [s.action for s in singles] == list(table.actions)
        assert [s.held for s in singles] == list(table.held)
        again = [bot.decide(row, at=bar).action for row, bar in zip(rows(), bars(), strict=True)]
        assert again == list(table.actions)  # nothing counts twice
    with served_by(tmp_path / "w", MOVING) as other:
        before = other.predict(rows()).cutoffs
        other.predict(rows(), at=bars())  # a table leaves no trace
        assert np.array_equal(other.predict(rows()).cutoffs, before)
        assert [s.action for s in singles] == list(other.predict(rows(), at=bars()).actions)


def test_without_a_bar_the_threshold_stands_where_it_is(tmp_path: Path) -> None:
    with served_by(tmp_path / "v", MOVING) as bot:
        first = [bot.decide(row) for row in rows()]
        assert [d.action for d in first] == [bot.decide(row).action for row in rows()]
        assert list(bot.predict(rows()).actions) == [d.action for d in first]
        for decision in first:
            p = list(decision.probabilities.values())
            assert decision.action == expected(MOVING, p, cutoff=float(np.float32(0.9 * 15 / 19)))[0]


def test_a_journal_brings_the_window_back_and_replays_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    variant(TRIO, store / "versions" / TRIO.name, change=with_policy(MOVING))
    Store(store).pin(TRIO.name, actor="test")
    half, stamps = len(ROWS) // 2, bars()
    with Predictor.open(store) as whole:
        due = [whole.decide(r, at=b).action for r, b in zip(rows(), stamps, strict=True)]
    found = []
    for part in (range(half), range(half, len(ROWS))):
        with Predictor.open(store, journal=tmp_path / "journal") as bot:
            found += [bot.decide(full_row(i), at=stamps[i]).action for i in part]
    assert found == due
    assert main(["replay", "--journal", str(tmp_path / "journal"), "--store", str(store), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["replayed"], report["different"]) == (len(ROWS), 0)
    lines = [
        json.loads(text)
        for file in sorted((tmp_path / "journal").iterdir())
        for text in file.read_text("ascii").splitlines()
        if "decision/1" in text
    ]
    assert len({line["cutoff"] for line in lines}) > 1
    assert {line["held"] is None for line in lines} == {True, False}


def test_a_table_that_is_journalled_moves_the_threshold(tmp_path: Path) -> None:
    with served_by(tmp_path / "v", MOVING, journal=tmp_path / "journal") as bot:
        before = bot.predict(rows()).cutoffs
        bot.predict(rows(), at=bars(), journal=True)
        after = bot.predict(rows()).cutoffs
        assert before is not None
        assert after is not None
        assert before[0] != after[0]


# --- one level by name


@pytest.fixture
def bot() -> Iterator[Predictor]:
    with Predictor.open(TRIO) as predictor:
        yield predictor


@pytest.mark.parametrize("level", ["level1", "level2", "level3"])
def test_a_level_that_is_asked_for_serves_alone_and_in_a_table(bot: Predictor, level: str) -> None:
    due = golden_rows()[level]
    table = bot.predict(rows(), level=level)
    assert set(table.levels) == {level}
    for i, row in enumerate(rows()):
        single = bot.decide(row, level=level)
        assert (single.level, single.reasons) == (level, ())
        assert list(single.probabilities.values()) == pytest.approx(due[i].tolist(), abs=2e-6)
    assert bot.decide(full_row()).level == "level1"  # the next call is as usual


def test_a_level_that_cannot_serve_a_row_leaves_it_to_the_fallback(bot: Predictor) -> None:
    row = {name: value for name, value in full_row().items() if name != "breakout"}
    for level in ("level1", "level2"):
        single = bot.decide(row, level=level)
        assert (single.action, single.level) == ("HOLD", "fallback")
        assert single.reasons == (f"{level}: missing breakout",)
        assert bot.predict([row], level=level)[0].reasons == single.reasons
    assert bot.decide(row, level="level3").level == "level3"


def test_an_unknown_level_and_a_level_beside_a_lowest_one_are_refused(bot: Predictor) -> None:
    with pytest.raises(UsageError, match=r"level: a level must be known, but got 'best'. Levels: level1"):
        bot.decide(full_row(), level="best")
    with pytest.raises(UsageError, match="level and min_level must not both be given"):
        bot.predict([full_row()], level="level1", min_level="level2")


def test_the_command_asks_for_a_level_and_shows_call_and_held(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ",".join(TRIO_NAMES) + "\n" + "".join(",".join(map(str, r.tolist())) + "\n" for r in ROWS)
    (tmp_path / "rows.csv").write_text(text)
    folder = variant(TRIO, tmp_path / "v", change=with_policy(tilt(0.99)))
    command = ["predict", str(folder), "--input", str(tmp_path / "rows.csv"), "--level", "level3"]
    assert main([*command, "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(f["action"], f["level"]) for f in found} == {("HOLD", "level3")}
    assert {f["held"] is None for f in found} == {f["call"] == "HOLD" for f in found} == {True, False}
    assert main(command) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith(",reasons,call,held")
    assert sum(line.endswith(",HOLD,") for line in lines) == sum(f["call"] == "HOLD" for f in found)
    assert main(["info", str(folder)]) == 0
    assert "policy    thresholds: for a test" in capsys.readouterr().out


def test_held_decisions_are_counted_by_level_call_and_action(tmp_path: Path) -> None:
    with served_by(tmp_path / "v", tilt(0.99), metrics=True) as bot:
        made = [(d.level, d.call) for d in map(bot.decide, mixed())]
        text = bot.metrics()
    held = {pair for pair in made if pair[1] != "HOLD"}
    assert {call for _, call in held} == {"SELL", "BUY"}
    for level, call in held:
        sample = f'gradus_held_total{{artifact="trio",level="{level}",call="{call}",action="HOLD"}} '
        assert f"{sample}{made.count((level, call))}\n" in text
    assert 'call="HOLD"' not in text
