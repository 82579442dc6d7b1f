"""Bars as the features graph takes them: numbered, bridged, with the closes of dates. numpy alone.

Training and serving prepare bars by these functions, so that both mean the same by a missing bar.
"""

from gradus_runtime.candles.bridging import COLUMNS, BarTable, bridge
from gradus_runtime.candles.dates import DailyTable, daily_closes
from gradus_runtime.candles.golden import GOLDEN_BARS, GoldenCandles, read_golden_candles
from gradus_runtime.candles.numbering import OpenHours, bar_numbers, open_hours

__all__ = [
    "COLUMNS",
    "GOLDEN_BARS",
    "BarTable",
    "DailyTable",
    "GoldenCandles",
    "OpenHours",
    "bar_numbers",
    "bridge",
    "daily_closes",
    "open_hours",
    "read_golden_candles",
]
