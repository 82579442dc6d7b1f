"""What would make a walk lie is planted, and is caught."""

import numpy as np
import pytest
from tests.support.walks import write_project

from gradus_live.bootstrap import ratio_interval
from gradus_live.costs import Costs, load_costs
from gradus_runtime.errors import CheckError
from gradus_train import DataSource, load_config, load_feature_order
from gradus_train.data import from_candles
from gradus_train.data.from_candles import CandleInputs
from gradus_train.walk.market_history import read_history
from gradus_train.walk.outages import Outages
from gradus_train.walk.versions import WeekVersion
from gradus_train.walk.week import Judge, Served
from gradus_train.walk.week_answers import WeekAnswers
from gradus_train.walk.weeks import WEEK_MS, Week

BAR = 900_000
LEVELS = ("level1", "level2")


def history_of(folder):
    config = load_config(folder / "config" / "training.toml")
    order = load_feature_order(folder / "config" / "feature_order.json")
    market = folder / "market"
    source = DataSource(candles=market / "candles.csv", daily=market / "macro.csv", settings=config.data)
    return read_history(source, order, config.labels)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A market without any edge."""
    folder = tmp_path_factory.mktemp("honest")
    write_project(folder, bars=20_000, signal=0.0)
    return folder


def middle(history):
    return int(history.whole.timestamps[9000]) // 86_400_000 * 86_400_000


def test_without_a_fault_nothing_is_said(project):
    history = history_of(project)
    assert history.known_at(middle(history)).timestamps[-1] == middle(history) - BAR


def test_a_feature_that_looks_ahead_is_caught(project, monkeypatch):
    computed = from_candles._all_features

    def ahead(*arguments):
        features = computed(*arguments).copy()
        features[:-1, 0] = features[1:, 0]
        return features

    monkeypatch.setattr(from_candles, "_all_features", ahead)
    history = history_of(project)
    with pytest.raises(CheckError, match=r"move, bar \d+: a feature must not depend on later bars"):
        history.known_at(middle(history))


def test_a_normalisation_over_the_whole_file_is_caught(project, monkeypatch):
    computed = from_candles._all_features

    def scaled(*arguments):
        features = computed(*arguments).copy()
        features[:, 1] /= np.nanstd(features[:, 1])
        return features

    monkeypatch.setattr(from_candles, "_all_features", scaled)
    history = history_of(project)
    with pytest.raises(CheckError, match=r"swing, bar \d+: a feature must not depend on later bars"):
        history.known_at(middle(history))


def test_a_label_that_is_known_too_early_is_caught(project, monkeypatch):
    history = history_of(project)
    cut = CandleInputs.before
    monkeypatch.setattr(CandleInputs, "before", lambda self, moment: cut(self, moment + BAR))
    with pytest.raises(CheckError, match="a label must not look beyond the moment at which a week begins"):
        history.known_at(middle(history))


class RandomCalls:
    """Weeks of a market, with calls that know nothing."""

    def __init__(self, folder, history):
        self.costs = load_costs(folder / "config" / "costs.toml")
        self.history = history
        self.judge = Judge(history, folder, self.costs, Outages(), levels=LEVELS, seed=1)
        first = int(history.whole.timestamps[0]) + 7 * 86_400_000
        self.weeks = [Week(i + 1, first + i * WEEK_MS, first + (i + 1) * WEEK_MS) for i in range(26)]

    def money(self, seed):
        rng = np.random.default_rng(seed)
        found = []
        for week in self.weeks:
            bars = self.history.bars_of(week)
            n = len(bars.timestamps)
            actions = rng.choice(np.array(["SELL", "HOLD", "BUY"], object), n, p=[0.05, 0.9, 0.05])
            answers = WeekAnswers(actions, np.full(n, "level1", object), np.full((n, 3), 1 / 3, np.float32))
            found.append(self.judge._money(week, bars, answers))
        return found


@pytest.fixture(scope="module")
def random_calls(project):
    return RandomCalls(project, history_of(project))


def paid_as_stated(money, costs):
    """Costs by another way than that of the walk."""
    return money.costs == pytest.approx(sum(money.trades) * 2 * costs.per_side * 1e-4, abs=1e-12)


def test_on_a_market_without_edge_net_is_minus_costs_within_its_interval(random_calls):
    inside = 0
    for seed in range(12):
        weeks = random_calls.money(seed)
        days = np.concatenate([w.days for w in weeks])
        trades = np.concatenate([w.trades for w in weeks]).astype(float)
        found = ratio_interval(days, trades, block=5, draws=400, seed=seed)
        inside += found.low <= -2 * random_calls.costs.per_side * 1e-4 <= found.high
        assert trades.sum() > 500
    assert inside >= 10


def test_a_fee_that_is_counted_once_is_caught(random_calls, monkeypatch):
    assert all(paid_as_stated(w, random_calls.costs) for w in random_calls.money(1))
    honest = Costs.of_trades
    monkeypatch.setattr(Costs, "of_trades", lambda self, bars, bar_ms: honest(self, bars, bar_ms) / 2)
    assert not any(paid_as_stated(w, random_calls.costs) for w in random_calls.money(1))


def test_a_fill_at_the_close_that_was_just_seen_would_be_seen_in_the_money(random_calls, monkeypatch):
    """Calls for the gap between a close and the next open earn it only by cheating."""
    from gradus_live import positions

    history = random_calls.history
    bars = history.bars_of(random_calls.weeks[0])
    opens = bars.prices[0]
    gap = np.append(opens[1:] - bars.close[:-1], 0.0)
    held = random_calls.judge._bars
    first, _ = random_calls.judge._span(bars)
    calls = np.sign(gap).astype(np.int64)
    honest = positions.hold_positions(held, calls, bars.rule, first, first + len(calls))

    class Cheats(positions._Walker):
        def _opened(self, call, side, price):
            return super()._opened(call, side, float(self._bars.close[call]))

    monkeypatch.setattr(positions, "_Walker", Cheats)
    cheated = positions.hold_positions(held, calls, bars.rule, first, first + len(calls))
    entered = held.open[cheated.calls + 1] / held.close[cheated.calls]
    assert cheated.gross.sum() - honest.gross.sum() == pytest.approx(
        (cheated.sides * np.log(entered)).sum(), abs=1e-9
    )
    assert cheated.gross.sum() > honest.gross.sum() + 1e-3


def test_a_week_without_any_bar_leaves_nothing(random_calls):
    start = int(random_calls.history.whole.timestamps[-1]) // 86_400_000 * 86_400_000 + WEEK_MS
    own = WeekVersion(
        "2026-01-05",
        "2026.1.5",
        "0" * 64,
        None,
        True,
        (),
        "none",
        "",
        ("level1",),
        9,
        (0.2, 0.6, 0.2),
        0.1,
        0.2,
    )
    served = Served(own, own, {"never": own})
    found = random_calls.judge.judge(Week(1, start, start + WEEK_MS), served, bar_by_bar=True)
    assert (found.bars, found.money.net, sum(found.hold), max(found.random)) == (0, 0.0, 0.0, 0.0)
