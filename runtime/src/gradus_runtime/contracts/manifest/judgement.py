"""What training found, as the manifest says it: label, costs, order of service, gates, verdict."""

from collections.abc import Iterable, Mapping

from gradus_runtime.records import dataclass

__all__ = [
    "LONG",
    "META",
    "NO_TRADE",
    "SHORT",
    "VERDICTS",
    "GateResult",
    "Label",
    "LevelProof",
    "OrderOfService",
    "RowSpan",
    "StatedCosts",
    "Verdict",
    "declared",
]

VERDICTS = ("none", "moves", "direction", "tradable")
"""What probabilities may be worth, from nothing to money."""

META = "meta"
"""The kind of a label whose two classes say whether a proposed trade comes off."""
LONG, SHORT, NO_TRADE = "BUY", "SELL", "HOLD"
"""The actions of an artifact with a label of that kind, where the side comes from the row."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a label means.

    Attributes:
        kind: "fixed_horizon", "triple_barrier", "meta" or "column".
        reach: Bars after its own that it looks at.
        numbers: Parameters that are numbers, by name; those of a meta label's trade as "trade.NAME".
        texts: Parameters that are texts.
        sentence: All of it for people.
    """

    kind: str
    reach: int
    numbers: Mapping[str, float]
    texts: Mapping[str, str]
    sentence: str


@dataclass(frozen=True, slots=True)
class StatedCosts:
    """What a trade costs, in basis points of its value, as of a date; a side, and funding a day."""

    market: str
    as_of: str
    maker_fee: float
    taker_fee: float
    spread: float
    slippage: float
    funding_per_day: float
    fill: str


@dataclass(frozen=True, slots=True)
class LevelProof:
    """A level against the one below that is in service, or "priors": why it is in service, or is not."""

    level: str
    against: str
    in_service: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class OrderOfService:
    """Which level serves a row that several could serve.

    Attributes:
        kind: "measured" or "declared".
        levels: Those in service, the first to be asked first.
        others: Those that serve only what nothing in service can.
        proofs: What was measured; empty where nothing was.
    """

    kind: str
    levels: tuple[str, ...]
    others: tuple[str, ...]
    proofs: tuple[LevelProof, ...]


@dataclass(frozen=True, slots=True)
class GateResult:
    """A gate: `kind` is "integrity" or "value"; `passed` is None where it was skipped."""

    level: str
    rule: str
    kind: str
    passed: bool | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the probabilities are worth: "tradable", "direction", "moves" or "none", and why."""

    name: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowSpan:
    """Rows: how many, and the open of the first and the last bar, ISO 8601 in UTC."""

    rows: int
    start: str
    end: str


def declared(levels: Iterable[str]) -> OrderOfService:
    """Return the order of the levels as they are declared, all in service, nothing measured."""
    return OrderOfService("declared", tuple(levels), (), ())
