"""The features of candles by their definitions, in plain Python: lists in and out, None where unavailable.

Smoothing comes in two kinds. `RECURSIVE` is that of the books and of TA-Lib: it never forgets. `WINDOWED` is
that of the expressions: a mean over a finite window with weights that sum to 1 over the bars that there are.
Both agree once the window is full, up to rounding.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

Values = list[float | None]


@dataclass(frozen=True)
class Bars:
    """One segment."""

    time: list[int]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


@dataclass(frozen=True)
class Smoothing:
    """A kind of smoothing: `ema(x, n, window)`, `rsi(close, n)`, `atr(bars, n)`, `directional(bars, n)`."""

    ema: Callable[[Sequence[float | None], int, int], Values]
    rsi: Callable[[list[float], int], Values]
    atr: Callable[[Bars, int], Values]
    directional: Callable[[Bars, int], tuple[Values, Values, Values]]


def windowed(x: Sequence[float | None], decay: float, n: int, window: int) -> Values:
    """Mean of the last `window` values, each before weighing `decay` times as much; from n values on."""
    result: Values = []
    seen: list[float] = []
    for value in x:
        if value is not None:
            seen.append(value)
        last = seen[: -window - 1 : -1]
        weights = [decay**i for i in range(len(last))]
        mean = math.fsum(w * v for w, v in zip(weights, last, strict=True))
        result.append(mean / math.fsum(weights) if value is not None and len(seen) >= n else None)
    return result


def windowed_ema(x: Sequence[float | None], n: int, window: int) -> Values:
    """The mean of the expression ema(x, n, window)."""
    return windowed(x, 1 - 2 / (n + 1), n, window)


def _wilder(x: Sequence[float | None], n: int) -> Values:
    return windowed(x, 1 - 1 / n, n, WILDER_WINDOW)


def windowed_rsi(close: list[float], n: int) -> Values:
    """From windowed means of gains and losses."""
    change = [b - a for a, b in pairwise(close)]
    gain = _wilder([None, *(max(c, 0.0) for c in change)], n)
    loss = _wilder([None, *(max(-c, 0.0) for c in change)], n)
    return each(lambda g, d: 100 * g / (g + d) if g + d else 0.0, gain, loss)


def windowed_atr(b: Bars, n: int) -> Values:
    """Windowed mean of true ranges."""
    return _wilder([None, *true_ranges(b)], n)


def windowed_directional(b: Bars, n: int) -> tuple[Values, Values, Values]:
    """+DI, -DI and ADX from windowed means."""
    up = [None, *(b.high[i] - b.high[i - 1] for i in range(1, len(b.high)))]
    down = [None, *(b.low[i - 1] - b.low[i] for i in range(1, len(b.low)))]
    plus = each(lambda u, d: u if u > d and u > 0 else 0.0, up, down)
    minus = each(lambda u, d: d if d > u and d > 0 else 0.0, up, down)
    ranges = windowed_atr(b, n)
    p, m = (each(lambda x, r: 100 * x / r if r else 0.0, _wilder(x, n), ranges) for x in (plus, minus))
    dx = each(lambda a, c: 100 * abs(a - c) / (a + c) if a + c else 0.0, p, m)
    return p, m, _wilder(dx, n)


WILDER_WINDOW = 544


def ema(x: Sequence[float | None], n: int) -> Values:
    """Exponential average, seeded by the mean of its first n values."""
    result: Values = []
    seen: list[float] = []
    for value in x:
        if value is None:
            result.append(None)
            continue
        seen.append(value)
        if len(seen) < n:
            result.append(None)
        elif len(seen) == n:
            result.append(sum(seen) / n)
        else:
            last = result[-1]
            assert last is not None
            result.append(last + (value - last) * 2 / (n + 1))
    return result


def rsi(close: list[float], n: int) -> Values:
    """Wilder: averages of gains and losses, seeded by the mean of the first n changes."""
    result: Values = [None] * len(close)
    change = [b - a for a, b in pairwise(close)]
    gain = loss = 0.0
    for i, c in enumerate(change):
        up, down = max(c, 0.0), max(-c, 0.0)
        if i < n:
            gain, loss = gain + up / n, loss + down / n
        else:
            gain, loss = (gain * (n - 1) + up) / n, (loss * (n - 1) + down) / n
        if i >= n - 1:
            result[i + 1] = 100 * gain / (gain + loss) if gain + loss else 0.0
    return result


def true_ranges(b: Bars) -> list[float]:
    """From the second bar on."""
    return [max(b.high[i], b.close[i - 1]) - min(b.low[i], b.close[i - 1]) for i in range(1, len(b.close))]


def atr(b: Bars, n: int) -> Values:
    """Wilder's average of true ranges, seeded by the mean of the first n."""
    result: Values = [None] * len(b.close)
    last = 0.0
    for i, r in enumerate(true_ranges(b)):
        last = last + r / n if i < n else (last * (n - 1) + r) / n
        if i >= n - 1:
            result[i + 1] = last
    return result


def directional(b: Bars, n: int) -> tuple[Values, Values, Values]:
    """+DI, -DI and ADX by Wilder, with sums seeded as TA-Lib does (by n - 1 movements)."""
    size = len(b.close)
    plus, minus, adx = ([None] * size for _ in range(3))
    ranges = true_ranges(b)
    p = m = r = 0.0
    dx: list[float] = []
    for i in range(1, size):
        up, down = b.high[i] - b.high[i - 1], b.low[i - 1] - b.low[i]
        pdm, mdm = (up if up > down and up > 0 else 0.0), (down if down > up and down > 0 else 0.0)
        if i < n:
            p, m, r = p + pdm, m + mdm, r + ranges[i - 1]
            continue
        p, m, r = p - p / n + pdm, m - m / n + mdm, r - r / n + ranges[i - 1]
        plus[i], minus[i] = 100 * p / r, 100 * m / r  # type: ignore[call-overload]
        dx.append(100 * abs(p - m) / (p + m))
        if len(dx) == n:
            adx[i] = sum(dx) / n  # type: ignore[call-overload]
        elif len(dx) > n:
            adx[i] = (adx[i - 1] * (n - 1) + dx[-1]) / n  # type: ignore[call-overload, operator]
    return plus, minus, adx


def window(x: Sequence[float | None], n: int, rule: Callable[[list[float]], float]) -> Values:
    """A rule over the last n values, where all are there."""
    result: Values = []
    for i in range(len(x)):
        part = x[max(0, i - n + 1) : i + 1]
        whole = len(part) == n and None not in part
        result.append(rule([v for v in part if v is not None]) if whole else None)
    return result


def lag(x: Sequence[float | None], n: int) -> Values:
    """The value n bars before."""
    return [None] * min(n, len(x)) + list(x[: max(0, len(x) - n)])


def each(rule: Callable[..., float], *columns: Sequence[float | None]) -> Values:
    """A rule bar by bar, where all its inputs are there."""
    return [None if None in row else rule(*row) for row in zip(*columns, strict=True)]


def spearman_with_time(x: list[float]) -> float:
    """Pearson correlation of mean ranks with time."""
    rank = [sum(v < w for v in x) + (sum(v == w for v in x) + 1) / 2 for w in x]
    if len(set(rank)) == 1:
        return 0.0
    middle, late = statistics.fmean(rank), (len(x) - 1) / 2
    together = math.fsum((r - middle) * (i - late) for i, r in enumerate(rank))
    own = math.fsum((r - middle) ** 2 for r in rank)
    return together / math.sqrt(own * math.fsum((i - late) ** 2 for i in range(len(x))))


def candle_features(b: Bars, kind: Smoothing | None = None) -> dict[str, Values]:
    """Everything but time, signals and external features; smoothed as the expressions do, by default."""
    kind = kind or WINDOWED
    c, v = b.close, b.volume
    f: dict[str, Values] = {"close": list(c), "volume": list(v)}
    f["rsi_14"] = kind.rsi(c, 14)
    f["macd"] = each(lambda a, z: a - z, kind.ema(c, 12, 640), kind.ema(c, 26, 640))
    f["atr_14"] = kind.atr(b, 14)
    f["ema_20"], f["ema_50"] = kind.ema(c, 20, 640), kind.ema(c, 50, 1024)
    f["bb_position"] = window(c, 20, _band_position)
    f["volume_ratio"] = window(v, 20, lambda w: w[-1] / (sum(w) / 20) if sum(w) else 1.0)
    f["donchian_high_20"], f["donchian_low_20"] = window(b.high, 20, max), window(b.low, 20, min)
    f["channel_position"] = each(
        lambda x, h, lo: (x - lo) / (h - lo) if h > lo else 0.5,
        c,
        f["donchian_high_20"],
        f["donchian_low_20"],
    )
    f["plus_di_14"], f["minus_di_14"], f["adx_14"] = kind.directional(b, 14)
    f |= {f"close_lag_{n}": lag(c, n) for n in (1, 2, 3, 5, 10)}
    f |= {f"volume_lag_{n}": lag(v, n) for n in (1, 2, 3)}
    f["rsi_lag_1"], f["macd_lag_1"] = lag(f["rsi_14"], 1), lag(f["macd"], 1)
    for n in (5, 10, 20):
        f[f"close_ma_{n}"] = window(c, n, statistics.fmean)
        f[f"close_std_{n}"] = window(c, n, lambda w: deviation(w, len(w) - 1))
        f[f"close_max_{n}"], f[f"close_min_{n}"] = window(c, n, max), window(c, n, min)
    f["rsi_x_atr"] = each(lambda x, y: x * y, f["rsi_14"], f["atr_14"])
    f["macd_x_volume"] = each(lambda x, y: x * y, f["macd"], v)
    f["bb_position_x_volume_ratio"] = each(lambda x, y: x * y, f["bb_position"], f["volume_ratio"])
    f["ema_spread_x_adx"] = each(lambda x, y, z: (x - y) * z, f["ema_20"], f["ema_50"], f["adx_14"])
    f["close_x_atr"] = each(lambda x, y: x * y, c, f["atr_14"])
    f["volume_x_bb_position"] = each(lambda x, y: x * y, v, f["bb_position"])
    return f


def deviation(w: list[float], divisor: int) -> float:
    """Standard deviation, with the mean and the sum of squares rounded once."""
    middle = statistics.fmean(w)
    return math.sqrt(math.fsum((x - middle) ** 2 for x in w) / divisor)


def _band_position(w: list[float]) -> float:
    middle, wide = statistics.fmean(w), 2 * deviation(w, len(w))
    low, high = middle - wide, middle + wide
    return (w[-1] - low) / (high - low) if high > low else 0.5


def signal_features(b: Bars, bar_minutes: int, kind: Smoothing | None = None) -> dict[str, Values]:
    """The five signals."""
    kind = kind or WINDOWED
    c = b.close
    f = candle_features(b, kind)
    macd_signal = kind.ema(f["macd"], 9, 128)
    rci = window(c, 9, spearman_with_time)
    four_hour, four_hour_ema = _four_hour(b, bar_minutes, kind)
    return {
        "strategy_signal_ATRBased": each(_atr_based, c, f["ema_20"], f["atr_14"], f["rsi_14"]),
        "strategy_signal_MochipoyAlert": each(
            _mochipoy, f["ema_20"], f["ema_50"], f["macd"], macd_signal, rci, lag(rci, 1)
        ),
        "strategy_signal_MultiTimeframe": each(_multi, c, f["ema_50"], four_hour, four_hour_ema),
        "strategy_signal_DonchianChannel": each(
            _donchian, c, lag(f["donchian_high_20"], 1), lag(f["donchian_low_20"], 1), f["atr_14"]
        ),
        "strategy_signal_ADXTrendStrength": each(_adx, f["adx_14"], f["plus_di_14"], f["minus_di_14"]),
    }


def _clip(x: float) -> float:
    return min(1.0, max(0.0, x))


def _atr_based(close: float, ema_20: float, atr_14: float, rsi_14: float) -> float:
    d = (close - ema_20) / atr_14
    confidence = _clip((abs(d) - 2) / 2)
    if d > 2:
        return -confidence if rsi_14 > 65 else -confidence / 2
    if d < -2:
        return confidence if rsi_14 < 35 else confidence / 2
    return 0.0


def _mochipoy(fast: float, slow: float, macd: float, signal: float, rci: float, before: float) -> float:
    votes = [(fast > slow) - (fast < slow), (macd > signal) - (macd < signal)]
    votes.append(1 if rci < -0.8 and rci > before else -1 if rci > 0.8 and rci < before else 0)
    up, down = votes.count(1), votes.count(-1)
    return up / 3 if up >= 2 else -down / 3 if down >= 2 else 0.0


def _multi(close: float, ema_50: float, close_4h: float, ema_4h: float) -> float:
    confidence = _clip(abs(close_4h / ema_4h - 1) / 0.02)
    if close > ema_50 and close_4h > ema_4h:
        return confidence
    return -confidence if close < ema_50 and close_4h < ema_4h else 0.0


def _donchian(close: float, high: float, low: float, atr_14: float) -> float:
    if close > high:
        return _clip((close - high) / atr_14)
    return -_clip((low - close) / atr_14) if close < low else 0.0


def _adx(adx_14: float, plus: float, minus: float) -> float:
    confidence = _clip((adx_14 - 25) / 25)
    return confidence if plus > minus else -confidence


def _four_hour(b: Bars, bar_minutes: int, kind: Smoothing) -> tuple[Values, Values]:
    """The last complete 4-hour close as of each bar, and its EMA20."""
    four_hours, bar = 4 * 3_600_000, bar_minutes * 60_000
    blocks: dict[int, list[int]] = {}
    for i, t in enumerate(b.time):
        blocks.setdefault(t // four_hours, []).append(i)
    whole = [members for members in blocks.values() if len(members) * bar == four_hours]
    closes = [b.close[members[-1]] for members in whole]
    averages = kind.ema(closes, 20, 256)
    close_4h: Values = []
    ema_4h: Values = []
    ends = [b.time[members[-1]] for members in whole]
    done = 0
    for t in b.time:
        while done < len(ends) and ends[done] <= t:
            done += 1
        close_4h.append(closes[done - 1] if done else None)
        ema_4h.append(averages[done - 1] if done else None)
    return close_4h, ema_4h


def time_features(ms: int, zone: str) -> dict[str, float]:
    """The features of one stamp."""
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(zone))
    h, d = local.hour, local.weekday()
    values = {
        "hour": h,
        "day_of_week": d,
        "is_weekend": d in (5, 6),
        "is_market_open_hour": h in range(9, 15),
        "month": local.month,
        "quarter": (local.month + 2) // 3,
        "is_quarter_end": local.month in (3, 6, 9, 12),
        "is_asia_session": h in range(9, 17),
        "is_europe_session": h in (*range(16, 24), 0),
        "is_us_session": h in (22, 23, *range(6)),
        "hour_sin": math.sin(2 * math.pi * h / 24),
        "hour_cos": math.cos(2 * math.pi * h / 24),
        "day_sin": math.sin(2 * math.pi * d / 7),
        "day_cos": math.cos(2 * math.pi * d / 7),
    }
    return {name: float(value) for name, value in values.items()}


RECURSIVE = Smoothing(lambda x, n, window: ema(x, n), rsi, atr, directional)
WINDOWED = Smoothing(windowed_ema, windowed_rsi, windowed_atr, windowed_directional)
