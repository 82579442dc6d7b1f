"""Missing bars: short gaps are bridged, long ones start anew, closing hours are none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from tests.support.candles import BAR_MS, START_MS, csv_text, random_bars, without_bars
from tests.support.features import compiled, features, order_of, run, with_settings

from gradus_live.labels import FixedHorizon, TripleBarrier
from gradus_runtime.candles import COLUMNS, bar_numbers, bridge, open_hours
from gradus_runtime.contracts.features_graph import GapRule
from gradus_runtime.errors import ConfigError, DataError
from gradus_train.data.data_report import make_report
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.report_text import report_text
from gradus_train.data.source import DataSettings, DataSource
from gradus_train.features import builtin_order
from gradus_train.features.settings import parse_closing
from gradus_train.features.zones import zone_table

BRIDGED = with_settings(bridge_bars=4)
FOREX = ("Fri 17:00 - Sun 17:00",)
NEW_YORK = "America/New_York"


def columns(bars: pl.DataFrame) -> dict[str, np.ndarray]:
    return {name: bars[name].to_numpy() for name in COLUMNS}


def test_a_bridged_bar_stands_still_at_the_last_close_without_volume() -> None:
    bars = without_bars(random_bars(30, 1), [10, 11, 20])
    table = bridge(bars["timestamp"].to_numpy(), columns(bars), bar_ms=BAR_MS, bridge_bars=2)
    whole = random_bars(30, 1)
    assert table.timestamps.tolist() == whole["timestamp"].to_list()
    assert np.flatnonzero(table.bridged).tolist() == [10, 11, 20]
    assert (np.diff(table.numbers) == 1).all()
    for at, before in ((10, 9), (11, 9), (20, 19)):
        prices = {float(table.columns[n][at]) for n in ("open", "high", "low", "close")}
        assert prices == {whole["close"][before]}
        assert table.columns["volume"][at] == 0.0
    others = ~table.bridged
    assert all((table.columns[n][others] == bars[n].to_numpy()).all() for n in COLUMNS)


@pytest.mark.parametrize(("missing", "bridge_bars", "found"), [(4, 4, 4), (5, 4, 0), (1, 0, 0), (1, 1, 1)])
def test_only_gaps_up_to_the_length_are_bridged(missing: int, bridge_bars: int, found: int) -> None:
    bars = without_bars(random_bars(60, 2), range(30, 30 + missing))
    table = bridge(bars["timestamp"].to_numpy(), columns(bars), bar_ms=BAR_MS, bridge_bars=bridge_bars)
    assert table.bridged.sum() == found


def test_one_missing_bar_costs_no_row_of_any_level_where_it_cost_49_and_270() -> None:
    bars = without_bars(random_bars(6000, 4), [5000])
    names = builtin_order().level_features("level2")
    after = slice(5000, 5400)
    unbridged, bridged = features(bars, None, names), features(bars, None, names, BRIDGED)
    level3 = list(builtin_order().level_features("level3"))

    def rows(made: pl.DataFrame, columns: list[str]) -> int:
        return int(
            made[after]
            .select(columns)
            .with_columns(pl.all().is_null())
            .select(pl.any_horizontal(pl.all()))
            .sum()
            .item()
        )

    assert rows(unbridged, level3) == 49
    assert 300 < rows(unbridged, list(names)) < 340
    assert rows(bridged, level3) == rows(bridged, list(names)) == 0


def dataset(folder: Path, bars: pl.DataFrame, rule: object, **settings: object) -> Dataset:
    path = folder / "c.csv"
    path.write_text(csv_text(bars))
    source = DataSource(path, settings=DataSettings(minimum_rows=10, **settings))  # type: ignore[arg-type]
    return load_dataset(source, builtin_order(), rule)  # type: ignore[arg-type]


def test_no_label_starts_or_ends_in_a_bridged_bar_and_others_run_over_it(tmp_path: Path) -> None:
    bars = without_bars(random_bars(300, 3), [100, 101])
    data = dataset(tmp_path, bars, FixedHorizon(horizon=4))
    whole = random_bars(300, 3)
    row = {int(t): i for i, t in enumerate(data.timestamps)}
    place = [row.get(START_MS + i * BAR_MS, -1) for i in range(300)]
    unlabelled = [i for i in range(296) if place[i] >= 0 and data.labels[place[i]] < 0]
    # 96 and 97 would end at 100 and 101; a trade of 99 would open in 100.
    assert unlabelled == [96, 97, 99]
    assert len(data.timestamps) == 298
    assert data.bridged == 2
    change = whole["close"][102] / whole["close"][98] - 1
    assert data.labels[place[98]] == 1 + (change > 0.005) - (change < -0.005)
    assert data.trades is not None
    assert np.isnan(data.trades.long[place[99]])


def test_trades_of_barriers_neither_open_nor_end_in_a_bridged_bar(tmp_path: Path) -> None:
    bars = without_bars(random_bars(300, 3), [100])
    data = dataset(tmp_path, bars, TripleBarrier(take_profit=0.01, stop_loss=0.01, horizon=6))
    labels = dict(zip(((data.timestamps - START_MS) // BAR_MS).tolist(), data.labels.tolist(), strict=True))
    assert [i for i in range(90, 110) if labels.get(i) == -1] == [94, 99]


def test_bridging_of_0_is_the_rule_of_before(tmp_path: Path) -> None:
    bars = without_bars(random_bars(300, 3), [100])
    data = dataset(tmp_path, bars, FixedHorizon(horizon=4), bridge_bars=0)
    labels = dict(zip(((data.timestamps - START_MS) // BAR_MS).tolist(), data.labels.tolist(), strict=True))
    assert [i for i in range(90, 110) if labels.get(i) == -1] == [96, 97, 98, 99]
    assert data.bridged == 0


def test_the_report_counts_bridged_bars(tmp_path: Path) -> None:
    bars = without_bars(random_bars(300, 3), [100, *range(200, 206)])
    text = report_text(make_report(dataset(tmp_path, bars, FixedHorizon()), builtin_order()))
    assert "Gaps      2, with 7 bars missing; 1 of them bridged" in text


# ---------------------------------------------------------------- closing hours


def forex_bars(days: int = 40, seed: int = 1) -> pl.DataFrame:
    """Bars of a market that is closed from Friday 17:00 to Sunday 17:00 in New York; clocks change in it."""
    bars = random_bars(
        96 * days, seed, start=1_709_251_200_000
    )  # 2024-03-01T00:00Z; clocks change on the 10th
    zone = ZoneInfo(NEW_YORK)

    def is_open(ms: int) -> bool:
        local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)
        minute = local.weekday() * 1440 + local.hour * 60 + local.minute
        return not 4 * 1440 + 17 * 60 <= minute < 6 * 1440 + 17 * 60

    return bars.filter(pl.Series([is_open(t) for t in bars["timestamp"].to_list()]))


def rule(closed: tuple[str, ...] = FOREX, bridge_bars: int = 4) -> GapRule:
    closings = tuple(parse_closing(text) for text in closed)
    return GapRule(bridge_bars, 50, closings, zone_table(NEW_YORK, 1_700_000_000_000, 1_720_000_000_000))


def test_a_weekend_is_no_gap_and_a_missing_bar_beside_it_is() -> None:
    bars = forex_bars()
    hours = open_hours(rule())
    numbers = bar_numbers(bars["timestamp"].to_numpy(), BAR_MS, hours)
    assert (np.diff(numbers) == 1).all()
    weekend = int(np.flatnonzero(np.diff(bars["timestamp"]) > BAR_MS)[1])
    for missing in ([weekend], [weekend + 1], [weekend, weekend + 1]):
        fewer = without_bars(bars, missing)
        steps = np.diff(bar_numbers(fewer["timestamp"].to_numpy(), BAR_MS, hours))
        assert sorted(steps[steps != 1].tolist()) == [1 + len(missing)]
        table = bridge(
            fewer["timestamp"].to_numpy(), columns(fewer), bar_ms=BAR_MS, bridge_bars=4, hours=hours
        )
        assert table.timestamps.tolist() == bars["timestamp"].to_list()


def test_features_run_on_over_a_weekend() -> None:
    bars = forex_bars()
    names = ("close_lag_1", "ema_50", "adx_14")
    closed = with_settings(closed=FOREX, closed_timezone=NEW_YORK)
    got = features(bars, None, names, closed)
    # A market without closing hours that has the same bars one after another, beginning at another time.
    dense = bars.with_columns(timestamp=START_MS + pl.int_range(len(bars)) * BAR_MS)
    assert got.equals(features(dense, None, names))
    assert features(bars, None, names)["ema_50"].null_count() > got["ema_50"].null_count()


def test_a_tail_over_weekends_has_the_bits_of_the_whole() -> None:
    bars = forex_bars(60)
    settings = with_settings(closed=FOREX, closed_timezone=NEW_YORK)
    graph = compiled(
        order_of({"f": 'resample("4h", ema(close, 3, 12))', "g": "ema(close, 9, 100)"}), None, settings
    )
    whole = run(graph, bars)
    need = max(f.bars for f in graph.spec.features)
    for end in range(need + 1, len(bars), 97):
        assert run(graph, bars[end - need : end], from_start=False)[-1:].equals(whole[end - 1 : end]), end


def test_a_bar_in_closing_hours_is_refused() -> None:
    with pytest.raises(DataError, match=r"no bar may open in the market's closing hours.*2024-03-02T"):
        bar_numbers(np.array([1_709_337_600_000 + 3_600_000 * 5]), BAR_MS, open_hours(rule()))


@pytest.mark.parametrize(
    "text", ["Fri 17:00", "Fri 17:00 - Fri 17:00", "Fri 25:00 - Sun 17:00", "Fre 17:00 - Sun 17:00"]
)
def test_closing_hours_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"closing hours must name two times of the week.*Fri 17:00 - Sun 17:00"
    ):
        DataSettings(closed=(text,))


def test_closing_hours_within_a_bar_are_refused() -> None:
    with pytest.raises(ConfigError, match="closing hours must begin and end with a bar"):
        DataSettings(closed=("Fri 17:05 - Sun 17:00",))


def test_closing_hours_over_the_end_of_the_week_and_others_that_touch_are_one() -> None:
    hours = open_hours(rule(("Sat 00:00 - Sun 12:00", "Sun 12:00 - Mon 02:00")))
    assert hours is not None
    assert set((hours.ends - hours.starts).tolist()) <= {50 * 3_600_000, 49 * 3_600_000, 51 * 3_600_000}
