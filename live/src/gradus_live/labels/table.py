"""Labels as tables of a configuration, as parameters of a manifest, and as a sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gradus_live.labels.kinds import Column, FixedHorizon, LabelRule, Meta, TradeRule, TripleBarrier
from gradus_runtime.contracts import codec
from gradus_runtime.contracts.manifest import Label
from gradus_runtime.errors import ConfigError
from gradus_runtime.wording import counted

__all__ = ["from_contract", "label_parameters", "parse_label", "sentence", "to_contract"]

_KINDS: Mapping[str, type[Any]] = {
    "fixed_horizon": FixedHorizon,
    "triple_barrier": TripleBarrier,
    "meta": Meta,
    "column": Column,
}
_TRADES: Mapping[str, type[Any]] = {"fixed_horizon": FixedHorizon, "triple_barrier": TripleBarrier}


@dataclass(frozen=True, slots=True)
class _MetaKeys:
    """The keys of a meta label that are not its trade."""

    side: str
    classes: tuple[str, ...] = ("LOSS", "WIN")


def parse_label(value: object, *, place: str) -> LabelRule:
    """Check a table of a configuration, `kind` and its parameters, and return the label.

    Args:
        value: `{"kind": "fixed_horizon", "horizon": 4, ...}`; keys with a default may be absent. The `trade`
            of a meta label is such a table too.
        place: How errors name the table.

    Raises:
        ConfigError: An unknown kind or key, a missing key, or a value that breaks a rule.

    >>> parse_label({"kind": "fixed_horizon", "horizon": 1}, place="labels").reach
    1
    """
    kind, body = _kind(value, place, _KINDS)
    if kind is not Meta:
        rule: LabelRule = _filled(kind, body, place)
        return rule
    trade: TradeRule = FixedHorizon()
    if "trade" in body:
        trade_kind, trade_body = _kind(body.pop("trade"), f"{place}.trade", _TRADES)
        trade = _filled(trade_kind, trade_body, f"{place}.trade")
    keys = _filled(_MetaKeys, body, place)
    meta: Meta = _placed(lambda: Meta(keys.side, trade, keys.classes), place)
    return meta


def label_parameters(rule: LabelRule) -> dict[str, Any]:
    """Return a label as the table that `parse_label` reads, with every key.

    >>> label_parameters(Column(reach=3))["kind"]
    'column'
    """
    value: dict[str, Any] = {"kind": rule.kind, **codec.encode(rule)}
    if isinstance(rule, Meta):
        value["trade"] = label_parameters(rule.trade)
    return value


def to_contract(rule: LabelRule) -> Label:
    """Return a label as the manifest holds it.

    >>> dict(to_contract(FixedHorizon(4, 0.005)).numbers)
    {'horizon': 4.0, 'threshold': 0.005, 'window': 96.0}
    """
    numbers: dict[str, float] = {}
    texts: dict[str, str] = {}
    flat = {
        key: item for key, item in label_parameters(rule).items() if key not in ("kind", "classes", "trade")
    }
    if isinstance(rule, Meta):
        flat |= {f"trade.{k}": v for k, v in label_parameters(rule.trade).items() if k != "classes"}
    for name, value in flat.items():
        if isinstance(value, str):
            if value:
                texts[name] = value
        elif name != "reach":
            numbers[name] = float(value)
    return Label(rule.kind, rule.reach, numbers, texts, sentence(rule))


def from_contract(label: Label, classes: tuple[str, ...]) -> LabelRule:
    """Return the label that a manifest holds, so that later outcomes are those of training.

    Args:
        label: Of the manifest.
        classes: Of the manifest.

    Raises:
        ConfigError: Its parameters are not those of its kind.

    >>> from_contract(to_contract(Column(3)), ("SELL", "HOLD", "BUY")).reach
    3
    """
    table: dict[str, Any] = {"kind": label.kind, "classes": list(classes)}
    trade: dict[str, Any] = {}
    if label.kind == "column":
        table["reach"] = label.reach
    whole = {n: int(v) for n, v in label.numbers.items() if n.rpartition(".")[2] in ("horizon", "window")}
    for name, value in {**label.numbers, **whole, **label.texts}.items():
        part, key = (trade, name[6:]) if name.startswith("trade.") else (table, name)
        part[key] = value
    if trade:
        table["trade"] = trade
    return parse_label(table, place="label")


def sentence(rule: LabelRule) -> str:
    """Say what a label means, for people.

    >>> sentence(FixedHorizon())
    'BUY or SELL where the close 4 bars later is more than 0.5 % higher or lower, else HOLD'
    """
    if isinstance(rule, Column):
        return (
            f"{', '.join(rule.classes)} from the column {rule.column}, which looks {_bars(rule.reach)} ahead"
        )
    if isinstance(rule, Meta):
        return f"{rule.classes[1]} where the trade that {rule.side} proposes comes off: {_trade(rule.trade)}"
    if isinstance(rule, TripleBarrier):
        down, middle, up = rule.classes
        return (
            f"{up} where a long trade comes off, {down} where a short one does, else {middle}: {_trade(rule)}"
        )
    size, later = _size(rule.threshold, rule.unit, rule.window), _later(rule)
    if len(rule.classes) == 2:
        down, up = rule.classes
        return f"{up} where {later} is more than {size} higher, else {down}"
    down, middle, up = rule.classes
    return f"{up} or {down} where {later} is more than {size} higher or lower, else {middle}"


def _trade(rule: TradeRule) -> str:
    if isinstance(rule, TripleBarrier):
        sizes = [_size(v, rule.unit, rule.window) for v in (rule.take_profit, rule.stop_loss)]
        return f"take-profit {sizes[0]}, stop-loss {sizes[1]}, at most {_bars(rule.horizon)}"
    size = _size(rule.threshold, rule.unit, rule.window)
    return f"{_later(rule)} is more than {size} beyond this one"


def _later(rule: FixedHorizon) -> str:
    return f"the close {_bars(rule.horizon)} later"


def _bars(count: int) -> str:
    return f"{counted(count, 'bar')}"


def _size(value: float, unit: str, window: int) -> str:
    if unit == "fraction":
        return f"{100 * value:.4g} %"
    name = "average true range" if unit == "atr" else "volatility"
    return f"{value:.4g} times the {name} of the last {_bars(window)}"


def _kind(value: object, place: str, known: Mapping[str, type[Any]]) -> tuple[type[Any], dict[str, Any]]:
    if not isinstance(value, dict):
        raise ConfigError("a label must be a table", place=place, value=value)
    name = value.get("kind")
    if not isinstance(name, str) or name not in known:
        raise ConfigError(
            f"the kind of a label must be one of {', '.join(known)}", place=f"{place}.kind", value=name
        )
    return known[name], {key: item for key, item in value.items() if key != "kind"}


def _filled(kind: type[Any], body: Mapping[str, object], place: str) -> Any:
    """Fill in defaults, say all keys that are missing in one message, and build the value."""
    fields = {f.name: f for f in dataclasses.fields(kind)}
    needed = [name for name, f in fields.items() if f.default is dataclasses.MISSING and name not in body]
    if needed:
        raise ConfigError(
            f"this kind of label needs {', '.join(needed)}", place=place, hint=_question(needed)
        )
    defaults = {n: codec.encode(f.default) for n, f in fields.items() if f.default is not dataclasses.MISSING}
    return _placed(lambda: codec.decode(kind, {**defaults, **body}, place=place, error=ConfigError), place)


def _placed(build: Callable[[], Any], place: str) -> Any:
    """Build a value; an error of one of its own rules gets the place of the table."""
    try:
        return build()
    except ConfigError as e:
        if e.place is not None and e.place.startswith(place):
            raise
        raise ConfigError(
            e.rule, place=f"{place}.{e.place}", value=e.value, cause=e.cause, hint=e.hint
        ) from None


def _question(missing: list[str]) -> str:
    if "reach" in missing:
        return "How many bars after a row did whoever made its label look at? Write reach = N."
    return f"Write {missing[0]} = ..."
