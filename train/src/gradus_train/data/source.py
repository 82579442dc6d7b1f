"""Where the data comes from, and how it is to be read: candles with daily series, or a table of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from gradus_runtime.errors import ConfigError, DataError, UsageError
from gradus_runtime.store import disk
from gradus_train.features.settings import FeatureSettings

__all__ = ["STAMPS", "DataSettings", "DataSource"]

STAMPS = ("open", "close")
_FOUR_HOURS = 240
_MOST_BRIDGED = 50


@dataclass(frozen=True, slots=True)
class DataSettings:
    """How data is read: the `[data]` section of `training.toml`.

    Attributes:
        bar_minutes: Length of a bar, in minutes; shorter candles are resampled up to it. It divides 4 hours.
        timezone: IANA name of the zone of stamps that carry none; such stamps are refused without it.
        stamps: "open" where a stamp is the time a bar opens, "close" where it is the time a bar closes.
        market_timezone: IANA name of the zone of the time features.
        carry_days: A daily value is carried for at most this many days.
        minimum_rows: Fewer labelled rows than this are refused.
        bridge_bars: A gap of at most this many bars is bridged by bars without trades; 0 bridges none.
        closed: Weekly hours in which the market is closed, such as "Fri 17:00 - Sun 17:00": no gaps.
        closed_timezone: IANA name of the zone of these hours; the market's by default.
        columns: Of the table of own features: names here ("timestamp", "close", features) to the columns that
            they stand for, where these are called otherwise.
    """

    bar_minutes: int = 15
    timezone: str | None = None
    stamps: str = "open"
    market_timezone: str = "Asia/Tokyo"
    carry_days: int = 7
    minimum_rows: int = 2000
    bridge_bars: int = 4
    closed: tuple[str, ...] = ()
    closed_timezone: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.bar_minutes <= _FOUR_HOURS or _FOUR_HOURS % self.bar_minutes:
            raise ConfigError(
                "a bar must divide 4 hours",
                place="bar_minutes",
                value=self.bar_minutes,
                hint="Use 1, 5, 15, 30, 60 or another part of 240.",
            )
        if self.stamps not in STAMPS:
            raise ConfigError("stamps must be 'open' or 'close'", place="stamps", value=self.stamps)
        for name, least in (("carry_days", 1), ("minimum_rows", 1), ("bridge_bars", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"at least {least} is needed", place=name, value=getattr(self, name))
        if self.bridge_bars > _MOST_BRIDGED:
            raise ConfigError(
                f"at most {_MOST_BRIDGED} bars can be bridged", place="bridge_bars", value=self.bridge_bars
            )
        if self.closed_timezone is not None:
            _check_zone(self.closed_timezone, "closed_timezone")
        _check_closings(self.feature_settings, self.bar_minutes)
        _check_zone(self.market_timezone, "market_timezone")
        if self.timezone is not None:
            _check_zone(self.timezone, "timezone")

    @property
    def bar_ms(self) -> int:
        """Length of a bar in milliseconds."""
        return self.bar_minutes * 60_000

    @property
    def feature_settings(self) -> FeatureSettings:
        """What of it the features depend on."""
        return FeatureSettings(
            bar_ms=self.bar_ms,
            market_timezone=self.market_timezone,
            carry_days=self.carry_days,
            bridge_bars=self.bridge_bars,
            closed=self.closed,
            closed_timezone=self.closed_timezone,
        )


@dataclass(frozen=True, slots=True)
class DataSource:
    """Input files and the rules for reading them.

    Attributes:
        candles: CSV or Parquet file of candles (or None, when `features` alone is given).
        daily: CSV or Parquet file of daily series; without it what needs them is unavailable.
        features: CSV or Parquet table of the user's own features: with `timestamp` and `label` or `close`
            where there are no candles; beside candles, with `timestamp` and the features from outside.
        settings: How to read them.
    """

    candles: Path | None = None
    daily: Path | None = None
    features: Path | None = None
    settings: DataSettings = field(default_factory=DataSettings)

    def __post_init__(self) -> None:
        if self.candles is None and self.features is None:
            raise UsageError(
                "candles or a feature table must be given",
                value="neither",
                hint="Use --candles FILE [--daily FILE], or --features FILE, or both.",
            )
        if self.daily is not None and self.candles is None:
            raise UsageError("daily series need candles", place="--daily", value=str(self.daily))

    def check_files(self) -> None:
        """Refuse files that are not there, before any of them is read.

        Raises:
            DataError: One is missing, or a folder.
        """
        for path in (self.candles, self.daily, self.features):
            if path is None:
                continue
            with disk.failing("a file must be readable", str(path), reading=True):
                is_there, is_folder = disk.exists(path), disk.is_folder(path)
            if not is_there:
                raise DataError("a file must exist", place=str(path))
            if is_folder:
                raise DataError("a file must be given, not a folder", place=str(path))

    @property
    def name(self) -> str:
        """The file that rows come from."""
        return str(self.candles or self.features)


def _check_zone(name: str, place: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a relative path; a folder of the zone database
        raise ConfigError(
            "a time zone must have an IANA name",
            place=place,
            value=name,
            hint="Use one like Asia/Tokyo or UTC.",
        ) from None


def _check_closings(settings: FeatureSettings, bar_minutes: int) -> None:
    for text, closing in zip(settings.closed, settings.closings, strict=True):
        if closing.start % bar_minutes or closing.end % bar_minutes:
            raise ConfigError("closing hours must begin and end with a bar", place="closed", value=text)
