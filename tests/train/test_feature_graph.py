"""The features graph: the same bits for the whole, a tail, a block and a feature alone; exact histories."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache

import numpy as np
import onnx
import onnxruntime as ort
import polars as pl
import pytest
from tests.support.candles import BAR_MS, daily_values, random_bars, without_bars
from tests.support.features import NAMES, SIGNALS, UNBRIDGED, compiled, features, order_of, run, with_settings

from gradus_runtime.contracts import features_graph
from gradus_runtime.errors import DataError
from gradus_runtime.sessions.features_session import FeaturesSession
from gradus_train.features import CompiledFeatures, builtin_order, compute_features

NESTED = {
    "slow": "ema(ema(close, 5, 60) - ema(close, 9, 80), 4, 30)",
    "range_4h": 'resample("4h", wilder(high - low, 5, 20)) / close',
    "volume_4h": 'resample("4h", sum(volume, 3) + lag(open, 2))',
    "later_4h": 'lag(resample("4h", close), 20)',
    "smooth_4h": 'ema(resample("4h", ema(close, 3, 12)), 5, 40)',
    "rate": "mean(daily(usd_jpy), 150)",
    "rate_before": "lag(daily(mean(usd_jpy, 3)), 200)",
    "smooth_rate": "daily(ema(usd_jpy, 3, 12))",
    "smoother_rate": "ema(daily(usd_jpy) / close, 4, 50)",
    "rates": "daily(usd_jpy) / daily(nikkei_225)",
    "deviation": "mean_deviation(volume, 7) / std(close, 30)",
    "log_range": "log(high / low)",
}
DAILY = ("usd_jpy", "nikkei_225")


@cache
def nested() -> CompiledFeatures:
    return compiled(order_of(NESTED, daily=DAILY))


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return without_bars(random_bars(96 * 75, 21, step=0.003), [2000, *range(3001, 3007), 6500, 6560])


@pytest.fixture(scope="module")
def daily() -> pl.DataFrame:
    return daily_values(150, 21)


def bits(table: pl.DataFrame) -> list[bytes]:
    return [row.tobytes() for row in table.fill_null(float("nan")).to_numpy().astype(np.float32)]


GRAPHS = {"built in": lambda: compiled(), "nested": nested}


@pytest.mark.parametrize("name", GRAPHS)
def test_any_tail_of_its_history_has_the_bits_of_the_whole(
    name: str, bars: pl.DataFrame, daily: pl.DataFrame
) -> None:
    graph = GRAPHS[name]()
    whole = bits(run(graph, bars, daily))
    enough = max(f.bars for f in graph.spec.features)
    rng = np.random.default_rng(4)
    near_gaps = [c for gap in (2000, 3001, 6495, 6553) for c in (gap - 1, gap, gap + 1, gap + 19, gap + 50)]
    for end in [enough, enough + 1, len(bars), *near_gaps, *rng.integers(enough, len(bars), 12).tolist()]:
        start = max(0, end - enough - int(rng.integers(0, 3)))
        tail = run(graph, bars[start:end], with_closes(daily, bars[:end]), from_start=start == 0)
        assert bits(tail[-1:]) == whole[end - 1 : end], end


def with_closes(daily: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """The daily table with the closes that a feed keeps."""
    day = pl.from_epoch("timestamp", "ms").dt.date().alias("date")
    last = bars.filter(pl.col("timestamp") % 86_400_000 == 86_400_000 - BAR_MS)
    return daily.join(last.select(day, close="close"), on="date", how="left", maintain_order="left")


@pytest.mark.parametrize("name", GRAPHS)
def test_a_tail_that_is_too_short_says_unavailable_and_never_another_value(
    name: str, bars: pl.DataFrame, daily: pl.DataFrame
) -> None:
    graph = GRAPHS[name]()
    whole = run(graph, bars, daily)
    rng = np.random.default_rng(6)
    seen = 0
    for length in [1, 2, 15, 30, 60, 300, 544, 545, 700, 1023, 1100, 3000]:
        end = int(rng.integers(4200, len(bars)))
        few = daily.filter(pl.col("date") > pl.lit(day_of(bars, end)).dt.offset_by(f"-{length % 40}d"))
        got = run(graph, bars[max(0, end - length) : end], few, from_start=False)[-1:]
        for column in got.columns:
            if got[column][0] is not None:
                assert bits(got.select(column)) == bits(whole[end - 1 : end].select(column)), (column, length)
            else:
                seen += whole[column][end - 1] is not None
    assert seen > 10


def day_of(bars: pl.DataFrame, end: int) -> object:
    return pl.from_epoch(bars["timestamp"][end - 1 : end], "ms").dt.date()[0]


@pytest.mark.parametrize("name", GRAPHS)
def test_every_stated_history_is_enough_and_one_bar_less_is_not(name: str, daily: pl.DataFrame) -> None:
    graph = GRAPHS[name]()
    bars = random_bars(96 * 60, 9)
    whole = run(graph, bars, daily)
    table = with_closes(daily, bars)
    for feature in graph.spec.features:
        for end in (5000, 5617):
            assert whole[feature.name][end - 1] is not None, feature.name
            tail = run(graph, bars[end - feature.bars : end], table, from_start=False)
            assert bits(tail[-1:].select(feature.name)) == bits(whole[end - 1 : end].select(feature.name))
    for feature in graph.spec.features:
        if feature.bars > 1 and "resample" not in feature.expression and feature.name not in SIGNALS[2:3]:
            short = run(graph, bars[5000 - feature.bars + 1 : 5000], table, from_start=False)
            assert short[feature.name][-1] is None, feature.name


def test_a_resampled_history_is_short_by_one_bar_at_its_worst_place_in_the_longer_bar() -> None:
    graph, name = compiled(order_of({"f": 'resample("4h", mean(close, 5))'})), "f"
    bars, need = (
        random_bars(900, 2),
        compiled(order_of({"f": 'resample("4h", mean(close, 5))'})).spec.features[0].bars,
    )
    assert need == 5 * 16 + 15
    lengths = {}
    for end in range(800, 816):
        made = [run(graph, bars[end - n : end], from_start=False)[name][-1] for n in (need - 1, need)]
        assert made[1] is not None
        lengths[end] = made[0] is None
    assert sum(lengths.values()) == 1


@pytest.mark.parametrize("name", GRAPHS)
def test_blocks_of_any_size_give_the_bits_of_the_whole(
    name: str, bars: pl.DataFrame, daily: pl.DataFrame
) -> None:
    graph = GRAPHS[name]()
    whole = bits(run(graph, bars, daily, block_rows=len(bars)))
    for rows in (997, 2048):
        assert bits(run(graph, bars, daily, block_rows=rows)) == whole


def test_each_feature_alone_has_the_bits_that_it_has_among_all(
    bars: pl.DataFrame, daily: pl.DataFrame
) -> None:
    whole = features(bars, daily)
    for name in NAMES:
        alone = features(bars, daily, [name])
        assert bits(alone) == bits(whole.select(name)), name


def test_the_same_configuration_gives_the_same_file_in_any_process() -> None:
    code = (
        "import hashlib\nfrom tests.support.features import compiled\n"
        "c = compiled()\nfrom gradus_runtime.contracts import features_graph as f\n"
        "print(hashlib.sha256(c.model + f.dump(c.spec)).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "7")
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("name", GRAPHS)
def test_the_graph_has_plain_operators_alone(name: str) -> None:
    model = onnx.load_from_string(GRAPHS[name]().model)
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"Scan", "Loop", "If", "MatMul", "Gemm", "Exp", "Log", "Pow", "Sin", "Cos", "Erf"}
    assert not kinds & {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "Einsum", "Mean", "Sum"}
    types = {i.name: i.data_type for i in model.graph.initializer}
    made = {o: n for n in model.graph.node for o in n.output}
    for node in model.graph.node:
        if node.op_type in ("ReduceSum", "CumSum"):  # over whole numbers alone
            source = made[node.input[0]]
            integer = onnx.TensorProto.INT64
            casts = [a.i for a in source.attribute if a.name == "to"]
            inner = [types.get(i) for i in source.input]
            assert casts == [integer] or integer in inner or source.op_type in ("Mul", "ScatterElements")


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
def test_optimisation_threads_and_reuse_of_memory_change_no_bit(
    level: str, bars: pl.DataFrame, daily: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = compiled()
    expected = compute_features(graph, bars, daily).values.tobytes()

    def opened(model: bytes) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 3
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    ready = FeaturesSession(graph.model, graph.spec)
    ready._session = opened(graph.model)
    monkeypatch.setattr("gradus_train.features.computation.FeaturesSession", lambda model, spec: ready)
    assert compute_features(graph, bars, daily).values.tobytes() == expected


def test_levels_state_their_history() -> None:
    levels = {s.name: s for s in compiled().spec.levels}
    assert levels["level3"].bars <= 1100
    assert levels["level3"].dates == 0
    assert levels["level1"].bars <= 4400
    assert levels["level1"].dates == 31
    assert levels["level2"].bars == levels["level1"].bars


def test_a_smoothed_feature_is_there_from_its_own_length_on_after_a_gap_and_at_the_true_start() -> None:
    bars = without_bars(random_bars(2600, 8), [1300])
    names = ("close_lag_10", "rsi_14", "ema_50", "adx_14", "macd", "rsi_lag_1")
    got = features(bars, None, names)
    first = [int(got[n][1300:].is_not_null().arg_max() or 0) for n in names]
    assert first == [10, 14, 49, 27, 25, 15]
    assert [int(got[n].is_not_null().arg_max() or 0) for n in names] == first
    tail = features(bars[:1300], None, names, from_start=False)
    history = {f.name: f.bars for f in compiled(None, names).spec.features}
    assert [int(tail[n].is_not_null().arg_max() or 0) for n in names] == [history[n] - 1 for n in names]


def test_weights_of_a_smoothing_are_those_of_its_expression() -> None:
    bars = random_bars(100, 3)
    got = run(compiled(order_of({"f": "ema(close, 4, 11)"})), bars)["f"].to_list()
    close = bars["close"].to_list()
    for t in range(3, 100):
        last = close[max(0, t - 10) : t + 1][::-1]
        weights = [0.6**i for i in range(len(last))]
        want = sum(w * v for w, v in zip(weights, last, strict=True)) / sum(weights)
        assert got[t] == pytest.approx(want, rel=1e-7)


def test_the_file_beside_the_graph_is_read_back_as_it_was_written() -> None:
    spec = compiled(
        settings=with_settings(closed=("Fri 17:00 - Sun 17:00",), market_timezone="America/New_York")
    ).spec
    data = features_graph.dump(spec)
    assert features_graph.parse(data, place="here") == spec
    assert spec.zone.name == "America/New_York"
    assert spec.columns == ("high", "low", "close", "volume")
    assert spec.daily == builtin_order().daily


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bar_ms": 0}, "here: bar_ms must be at least 60000, but got 0"),
        ({"look_back": True}, "here: features.look_back: an integer is needed, but got True"),
        ({"features": []}, "here: at least one feature is needed, and each once"),
        ({"unknown": 1}, "here: features: a key must be known, but got 'unknown'"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(change: Mapping[str, object], message: str) -> None:
    value = json.loads(features_graph.dump(compiled().spec))
    value["features"] |= change
    with pytest.raises(DataError) as caught:
        features_graph.parse(json.dumps(value).encode(), place="here")
    assert str(caught.value).startswith(message)


def test_a_zone_with_changes_of_clocks_needs_no_time_zone_database() -> None:
    zone = compiled(None, ("hour",), with_settings(market_timezone="America/New_York")).spec.zone
    assert len(zone.changes_ms) > 30
    assert set(zone.offsets_ms) == {-4 * 3_600_000, -5 * 3_600_000}
    assert zone.until_ms - zone.changes_ms[-1] < 366 * 86_400_000


def test_settings_that_the_graph_does_not_depend_on_leave_it_as_it_is() -> None:
    assert compiled(settings=UNBRIDGED).model == compiled(settings=with_settings(bridge_bars=4)).model
