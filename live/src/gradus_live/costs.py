"""`costs.toml`: what a trade costs, in basis points of its value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from gradus_live.bars import Floats, Integers
from gradus_runtime.contracts import codec, toml_file
from gradus_runtime.errors import ConfigError

__all__ = ["FORMAT", "NO_COSTS", "Costs", "load_costs", "parse_costs"]

FORMAT = "gradus-costs/1"
NO_COSTS = f"""no costs given; write them into config/costs.toml (basis points a side):
    format = "{FORMAT}"
    market = "exchange and pair"
    as_of = 2026-11-01
    maker_fee = 0.0
    taker_fee = 10.0
    spread = 1.0
    slippage = 1.0
    funding_per_day = 0.0"""
_MOST = 1000.0
_DAY_MS = 86_400_000
_POINT = 1e-4


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs in basis points (1e-4 of the trade's value); each may be negative.

    Attributes:
        market: Exchange and pair, for people.
        as_of: The day on which they held, ISO 8601.
        maker_fee: Fee of an order that waits in the book, a side.
        taker_fee: Fee of an order that takes from it, a side.
        spread: What taking pays beyond the middle price, a side: half of the distance between bid and ask.
        slippage: What the price moves until an order is filled, a side.
        funding_per_day: Funding or interest of an open position, of either side, a day.
        fill: "taker" or "maker": how a bot's orders are filled. A maker pays no spread.
    """

    market: str
    as_of: str
    maker_fee: float
    taker_fee: float
    spread: float
    slippage: float
    funding_per_day: float
    fill: str = "taker"

    def __post_init__(self) -> None:
        if self.fill not in ("taker", "maker"):
            raise ConfigError("fill must be 'taker' or 'maker'", place="fill", value=self.fill)
        for name in ("maker_fee", "taker_fee", "spread", "slippage", "funding_per_day"):
            value = getattr(self, name)
            if not -_MOST < value < _MOST:
                raise ConfigError(
                    f"{name} must be in (-{_MOST:g}, {_MOST:g}) basis points",
                    place=name,
                    value=value,
                    hint="One basis point is 0.01 %.",
                )
        try:
            date.fromisoformat(self.as_of)
        except ValueError:
            raise ConfigError(
                "as_of must be a date, such as 2026-11-01", place="as_of", value=self.as_of
            ) from None

    @property
    def per_side(self) -> float:
        """Basis points that opening or closing a position costs."""
        if self.fill == "maker":
            return self.maker_fee + self.slippage
        return self.taker_fee + self.spread + self.slippage

    def of_trades(self, bars: Integers, bar_ms: int) -> Floats:
        """Return what trades cost, as log returns.

        Args:
            bars: int64 [T], how many bars each position was open.
            bar_ms: Length of a bar, ms.

        Returns:
            float64 [T]: two sides, and funding for the time between.

        >>> costs = Costs("x", "2026-11-01", 0.0, 4.0, 0.5, 0.5, 9.6)
        >>> costs.of_trades(np.array([1, 96]), 900_000).round(6).tolist()
        [0.00101, 0.00196]
        """
        days = bars.astype(np.float64) * (bar_ms / _DAY_MS)
        return _POINT * (2 * self.per_side + self.funding_per_day * days)


def load_costs(path: Path) -> Costs:
    """Read and check a `costs.toml`.

    Raises:
        ConfigError: The file is missing, is not TOML, or breaks a rule.
    """
    return parse_costs(toml_file.read(path, "costs"), place=str(path))


def parse_costs(value: dict[str, Any], *, place: str) -> Costs:
    """Check parsed costs.

    Raises:
        ConfigError: A rule is broken; all missing keys are named in one message.
    """
    if value.get("format") != FORMAT:
        raise ConfigError(f"format must be {FORMAT!r}", place=f"{place}: format", value=value.get("format"))
    body = {"fill": "taker", **{key: item for key, item in value.items() if key != "format"}}
    if isinstance(body.get("as_of"), date):
        body["as_of"] = body["as_of"].isoformat()
    needed = ("market", "as_of", "maker_fee", "taker_fee", "spread", "slippage", "funding_per_day")
    missing = [key for key in needed if key not in body]
    if missing:
        raise ConfigError(
            f"costs need {', '.join(missing)}",
            place=place,
            hint="Fees, spread and slippage are basis points a side; what does not exist is 0.0.",
        )
    try:
        return codec.decode(Costs, body, place=place, error=ConfigError)
    except ConfigError as e:
        if e.place is not None and e.place.startswith(place):
            raise
        raise ConfigError(
            e.rule, place=f"{place}: {e.place}", value=e.value, cause=e.cause, hint=e.hint
        ) from None
