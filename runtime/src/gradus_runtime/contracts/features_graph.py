"""`features.json`: what stands beside `features.onnx` in a run folder; in an artifact the manifest holds it.

The graph computes the features of bars from the bars themselves and from daily series. This file says what it
is fed with, what its columns are, how much history each needs, and by which rules bars are prepared.

Inputs of the graph, each only where it is needed (T bars, D rows of the daily table):

    timestamp    int64   [T]  open of the bar, ms since 1970 UTC, rising
    bar_number   int64   [T]  `gradus_runtime.candles.bar_numbers`: one more than before where none is missing
    rows         int64   [1]  how many of the last bars are wanted
    from_start   bool    [1]  whether the first bar given is the true start of the history; a tail says no
    open, high, low, close, volume   float64 [T]
    daily_date   int64   [D]  days since 1970, rising
    daily_close  float64 [D]  `gradus_runtime.candles.daily_closes`; NaN where a date has no last bar
    (a daily series by its name)     float64 [D], NaN where it is not known

Outputs, for the last R = min(rows, T) bars: `features` float32 [R, F], NaN where unavailable, and `available`
bool [R, F]. Any tail that is long enough gives the bits of the whole history; a shorter one says unavailable.

Open it with `enable_mem_reuse = False` and without optimisation: the memory planner is quadratic in nodes.
The bits are the same with any options.

The format may change until it is released; then a change takes a new number, as for the manifest.
"""

from collections.abc import Mapping
from typing import Any

from gradus_runtime.contracts import codec, names, strict_json
from gradus_runtime.errors import DataError, GradusError
from gradus_runtime.records import dataclass

__all__ = [
    "FORMAT",
    "GOLDEN_FILE",
    "GRAPH_FILE",
    "SPEC_FILE",
    "Closing",
    "FeaturesGraph",
    "FeaturesSpec",
    "GapRule",
    "GraphColumn",
    "LevelHistory",
    "ZoneTable",
    "changed_inputs",
    "check",
    "dump",
    "parse",
]

FORMAT = "gradus-features/1"
GRAPH_FILE = names.FEATURES
SPEC_FILE = "features.json"
GOLDEN_FILE = names.CANDLES
_WEEK_MINUTES = 7 * 24 * 60
MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class ZoneTable:
    """UTC offsets of a time zone over a span.

    Attributes:
        name: IANA name, for people; nothing looks it up.
        from_ms: Start of the span, ms since 1970 UTC.
        until_ms: Its end; from there on the last offset is used, which may be wrong.
        changes_ms: When the offset changes, rising.
        offsets_ms: Milliseconds to add to UTC: before the first change, after it, ...
    """

    name: str
    from_ms: int
    until_ms: int
    changes_ms: tuple[int, ...]
    offsets_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Closing:
    """Closing hours of every week, in minutes since Monday 00:00 local time.

    They run from `start` up to, not including, `end`. `end` is below `start` where the hours run over the end
    of the week.
    """

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class GapRule:
    """How missing bars are treated.

    Attributes:
        bridge_bars: A gap of at most this many bars is bridged: open = high = low = close = the last close,
            volume 0. Longer gaps start a new segment.
        marked_bars: A row with a bridged bar among its last so many bars says so.
        closings: Hours in which the market is closed: bars are not missing there.
        zone: The zone of these hours; None where there are none.
    """

    bridge_bars: int
    marked_bars: int
    closings: tuple[Closing, ...]
    zone: ZoneTable | None


@dataclass(frozen=True, slots=True)
class GraphColumn:
    """A column of the graph.

    Attributes:
        name: Of the feature.
        expression: What it is computed by.
        unit: "price" of what moves with the price, "price difference" of what lies between two prices,
            "volume", "number", a product such as "price*volume", the name of a daily series, or "mixed".
        inputs: What it depends on: columns of the bar, daily series, "calendar".
        first: Bars since the start of a segment from which on it is there, where that start is seen.
        bars: Bars that its value depends on, its own included: a tail of so many is enough.
        dates: Known dates of its daily series that its value depends on; 0 where it has none.
    """

    name: str
    expression: str
    unit: str
    inputs: tuple[str, ...]
    first: int
    bars: int
    dates: int


@dataclass(frozen=True, slots=True)
class LevelHistory:
    """What a level needs: the most bars and dates of its features, and the features from outside."""

    name: str
    bars: int
    dates: int
    outside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeaturesSpec:
    """The whole file.

    Attributes:
        graph_sha256: Digest of `features.onnx`.
        bar_ms: Length of a bar.
        columns: Columns of the bars that the graph takes.
        daily: Daily series that the graph takes, by name.
        daily_close: Whether it takes the closes of dates.
        carry_days: A daily value dated D is used from D + 1 to D + carry_days (UTC dates).
        zone: Of the calendar fields.
        gaps: How missing bars are treated.
        features: The columns of the graph's outputs, in order.
        levels: Of the feature order, best first.
        terms: Named sub-expressions that the expressions use.
        look_back: Bars before the wanted ones that the graph looks at: a block of a long history needs them.
        block_rows: Rows to ask for at a time over a long history; memory is that of such a block.
    """

    graph_sha256: str
    bar_ms: int
    columns: tuple[str, ...]
    daily: tuple[str, ...]
    daily_close: bool
    carry_days: int
    zone: ZoneTable
    gaps: GapRule
    features: tuple[GraphColumn, ...]
    levels: tuple[LevelHistory, ...]
    terms: Mapping[str, str]
    look_back: int
    block_rows: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the graph's columns, in order."""
        return tuple(f.name for f in self.features)


@dataclass(frozen=True, slots=True)
class FeaturesGraph:
    """The features graph of an artifact.

    Attributes:
        file: Its name.
        golden: Name of the golden candles: a tail of the history with the features and the answers that come
            of its last bars.
        spec: What it computes, and how it is fed.
    """

    file: str
    golden: str
    spec: FeaturesSpec


def changed_inputs(before: FeaturesGraph | None, after: FeaturesGraph | None) -> tuple[str, ...]:
    """Say what a feed of candles must change from one version to another; sentences without full stops."""
    if before is None or after is None:
        if before is after:
            return ()
        return ("it no longer takes candles" if after is None else "it now takes candles",)
    from gradus_runtime.wording import counted, plural  # only where versions are compared

    old, new = before.spec, after.spec
    said = []
    if old.bar_ms != new.bar_ms:
        minutes = new.bar_ms / 60_000
        said.append(
            f"its bars are of {minutes:g} {plural(minutes, 'minute')}, before of {old.bar_ms / 60_000:g}"
        )
    for what, a, b in (("columns", old.columns, new.columns), ("daily series", old.daily, new.daily)):
        if more := [name for name in b if name not in a]:
            said.append(f"it needs more {what}: {', '.join(more)}")
    needs = [(max(f.bars for f in s.features), max(f.dates for f in s.features)) for s in (old, new)]
    if needs[1] > needs[0]:
        said.append(
            f"it needs {counted(needs[1][0], 'bar')} and "
            f"{counted(needs[1][1], 'date')}, before {needs[0][0]:,} and {needs[0][1]}"
        )
    return tuple(said)


def dump(spec: FeaturesSpec) -> bytes:
    """Return the bytes of `features.json`."""
    return strict_json.canonical_bytes({"format": FORMAT, "features": codec.encode(spec)})


def parse(data: bytes, *, place: str, error: type[GradusError] = DataError) -> FeaturesSpec:
    """Read and check a `features.json`.

    Args:
        data: Its bytes.
        place: How errors name it.
        error: The type of error to raise.

    Raises:
        GradusError: Of type `error`: a rule is broken; the message names the key.
    """
    value: Any = strict_json.parse(data, place=place, max_bytes=MAX_BYTES, error=error)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise error(f"format must be {FORMAT!r}", place=place)
    spec = codec.decode(FeaturesSpec, value.get("features"), place=f"{place}: features", error=error)
    check(spec, place=place, error=error)
    return spec


def check(spec: FeaturesSpec, *, place: str, error: type[GradusError] = DataError) -> None:
    """Check what the types do not say.

    Args:
        spec: As decoded; its types hold.
        place: How errors name it.
        error: The type of error to raise.

    Raises:
        GradusError: Of type `error`: a rule is broken.
    """
    for name, least in (("bar_ms", 60_000), ("carry_days", 1), ("look_back", 1), ("block_rows", 1)):
        if getattr(spec, name) < least:
            raise error(f"{name} must be at least {least}", place=place, value=getattr(spec, name))
    if spec.gaps.bridge_bars < 0 or spec.gaps.marked_bars < 0:
        raise error("bridge_bars and marked_bars must not be negative", place=place)
    if not spec.features or len(set(spec.names)) != len(spec.names):
        raise error("at least one feature is needed, and each once", place=place, value=spec.names)
    for zone in (spec.zone, spec.gaps.zone):
        if zone is not None and not _rising(zone):
            raise error("a zone needs rising changes and one more offset", place=place, value=zone.name)
    if (spec.gaps.zone is None) != (not spec.gaps.closings):
        raise error("closing hours need a zone, and a zone closing hours", place=f"{place}: gaps")
    for closing in spec.gaps.closings:
        if not (0 <= closing.start < _WEEK_MINUTES and 0 <= closing.end < _WEEK_MINUTES):
            raise error("closing hours must lie in a week", place=f"{place}: gaps", value=closing)


def _rising(zone: ZoneTable) -> bool:
    pairs = zip(zone.changes_ms, zone.changes_ms[1:], strict=False)
    return len(zone.offsets_ms) == len(zone.changes_ms) + 1 and all(a < b for a, b in pairs)
