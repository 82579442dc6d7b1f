"""Files of candles and daily series, read strictly: what breaks a rule is refused by file, line and value."""

from gradus_train.ingest.candles import Candles, candles_from_table, load_candles
from gradus_train.ingest.daily import Daily, daily_from_table, load_daily
from gradus_train.ingest.feature_table import FeatureTable, feature_table
from gradus_train.ingest.table_file import RawTable, read_raw_table

__all__ = [
    "Candles",
    "Daily",
    "FeatureTable",
    "RawTable",
    "candles_from_table",
    "daily_from_table",
    "feature_table",
    "load_candles",
    "load_daily",
    "read_raw_table",
]
