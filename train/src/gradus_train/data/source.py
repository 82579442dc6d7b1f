"""Where the data comes from, and how it is to be read: candles with daily series, or a table of features."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from gradus_runtime.errors import ConfigError, UsageError

__all__ = ["STAMPS", "DataSettings", "DataSource"]

STAMPS = ("open", "close")
_FOUR_HOURS = 240


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
    """

    bar_minutes: int = 15
    timezone: str | None = None
    stamps: str = "open"
    market_timezone: str = "Asia/Tokyo"
    carry_days: int = 7
    minimum_rows: int = 2000

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
        for name in ("carry_days", "minimum_rows"):
            if getattr(self, name) < 1:
                raise ConfigError("at least 1 is needed", place=name, value=getattr(self, name))
        _check_zone(self.market_timezone, "market_timezone")
        if self.timezone is not None:
            _check_zone(self.timezone, "timezone")

    @property
    def bar_ms(self) -> int:
        """Length of a bar in milliseconds."""
        return self.bar_minutes * 60_000


@dataclass(frozen=True, slots=True)
class DataSource:
    """Input files and the rules for reading them.

    Attributes:
        candles: CSV or Parquet file of candles (or None, when `features` is given).
        macro: CSV or Parquet file of daily series; without it the external features are unavailable.
        features: CSV or Parquet table of the user's own features, with `timestamp` and `label` or `close`.
        settings: How to read them.
    """

    candles: Path | None = None
    macro: Path | None = None
    features: Path | None = None
    settings: DataSettings = field(default_factory=DataSettings)

    def __post_init__(self) -> None:
        if (self.candles is None) == (self.features is None):
            raise UsageError(
                "either candles or a feature table must be given",
                value="both" if self.candles else "neither",
                hint="Use --candles FILE [--macro FILE], or --features FILE.",
            )
        if self.macro is not None and self.candles is None:
            raise UsageError("daily series need candles", place="--macro", value=str(self.macro))

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
