"""`markets.toml`: several markets for one walk, each a table of options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from gradus_runtime.contracts import names, toml_file
from gradus_runtime.errors import ConfigError

__all__ = ["FORMAT", "Market", "load_markets"]

FORMAT = "gradus-markets/1"
_PATHS = (
    "candles", "daily", "features", "config", "feature_order", "gates", "costs", "artifact", "outages",
)  # fmt: skip
_DAYS = ("from", "to")
_WHOLE = ("train_days", "bar_minutes", "minimum_rows", "seed")
_TEXTS = ("timezone", "stamps", "require", "level")


@dataclass(frozen=True, slots=True)
class Market:
    """A market: its name, which is that of its folder, and the options that are its own."""

    name: str
    options: Mapping[str, Path | date | int | str]


def load_markets(path: Path) -> tuple[Market, ...]:
    """Read and check a `markets.toml`.

    Paths are relative to the file. An option that a market leaves out is that of the command line.

    Raises:
        ConfigError: The file is missing, is not TOML, or breaks a rule; the message names the key.
    """
    value = toml_file.read(path, "markets")
    if value.get("format") != FORMAT:
        raise ConfigError(f"format must be {FORMAT!r}", place=f"{path}: format", value=value.get("format"))
    tables = value.get("markets")
    if not isinstance(tables, list) or not tables or value.keys() - {"format", "markets"}:
        raise ConfigError(
            "only 'format' and a list 'markets' with at least one are known",
            place=str(path),
            value=sorted(value),
        )
    markets = tuple(_market(t, f"{path}: markets[{i}]", path.parent) for i, t in enumerate(tables))
    called = [market.name for market in markets]
    if len(set(called)) < len(called):
        raise ConfigError("a market's name must occur once", place=str(path), value=called)
    return markets


def _market(value: Any, place: str, folder: Path) -> Market:
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str) or not names.is_artifact_name(name):
        raise ConfigError(
            "a market needs a name of lower-case words joined by single hyphens",
            place=f"{place}.name",
            value=name,
            hint="Such as btc-jpy: its folder is called so.",
        )
    options = {k: _option(k, v, f"{place}.{k}", folder) for k, v in value.items() if k != "name"}
    return Market(name, options)


def _option(key: str, value: Any, place: str, folder: Path) -> Path | date | int | str:
    if key in _PATHS and type(value) is str:
        return folder / value
    if (key in _DAYS and type(value) is date) or (key in _WHOLE and type(value) is int):
        return value
    if key in _TEXTS and type(value) is str:
        return value
    known = (*_PATHS, *_DAYS, *_WHOLE, *_TEXTS)
    if key not in known:
        hint = f"Known: {', '.join(known)}."
        raise ConfigError("an option must be known", place=place, value=key, hint=hint)
    kinds = dict.fromkeys(_DAYS, "a day such as 2024-07-01, without quotes")
    kinds |= dict.fromkeys(_WHOLE, "an integer")
    raise ConfigError(f"{key} must be {kinds.get(key, 'text')}", place=place, value=value)
