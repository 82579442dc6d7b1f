"""The features graph in onnxruntime: bars and daily values in, features out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_runtime.candles import BarTable, DailyTable, GoldenCandles, OpenHours, bridge, open_hours
from gradus_runtime.contracts.features_graph import FeaturesSpec
from gradus_runtime.errors import IntegrityError
from gradus_runtime.sessions.library import ort

__all__ = ["FeaturesSession", "replay_golden_candles"]

Array = npt.NDArray[np.generic]


class FeaturesSession:
    """A features graph, open. Safe for any number of threads.

    It is opened without optimisation and without reuse of memory, whose planner is quadratic in nodes; the
    bits are the same with any options.

    Args:
        model: Bytes of `features.onnx`.
        spec: How it is fed.

    Attributes:
        spec: As given.
        hours: When the market is closed; None where it never is.

    Raises:
        IntegrityError: The graph has other inputs or outputs than the spec says.
    """

    def __init__(self, model: bytes, spec: FeaturesSpec) -> None:
        self.spec = spec
        self.hours: OpenHours | None = open_hours(spec.gaps)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_mem_reuse = False
        options.log_severity_level = 4  # what fails is raised, and said by us
        self._session: Any = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        _check_ends(self._session, spec)

    def bridged(self, timestamps: npt.NDArray[np.int64], columns: dict[str, Any]) -> BarTable:
        """Number the bars, and bridge short gaps, as the spec says.

        Raises:
            DataError: A bar opens while the market is closed.
        """
        gaps = self.spec.gaps
        return bridge(
            timestamps, columns, bar_ms=self.spec.bar_ms, bridge_bars=gaps.bridge_bars, hours=self.hours
        )

    def run(
        self, bars: BarTable, daily: DailyTable | None, *, rows: int | None = None, from_start: bool = False
    ) -> npt.NDArray[np.float32]:
        """Compute the features of the last bars, in blocks: memory grows with the block.

        Args:
            bars: T bars, of `bridged`.
            daily: Daily values up to the last date before the newest bar's; None where there are none.
            rows: How many of the last bars; by default all.
            from_start: Whether the first bar is the true start of the history; a tail says no.

        Returns:
            float32 [R, F], C order; NaN where a feature is unavailable.
        """
        spec, count = self.spec, len(bars.timestamps)
        values = np.empty((count if rows is None else min(rows, count), len(spec.features)), np.float32)
        fixed = self._daily(daily or DailyTable(), bars)
        columns: dict[str, Array] = {"timestamp": bars.timestamps, "bar_number": bars.numbers}
        columns |= {name: bars.columns[name] for name in spec.columns}
        first = count - len(values)
        for start in range(first, count, spec.block_rows):
            low, high = max(0, start - spec.look_back), min(count, start + spec.block_rows)
            feeds: dict[str, Array] = {name: column[low:high] for name, column in columns.items()}
            feeds["rows"] = np.array([high - start])
            feeds["from_start"] = np.array([from_start and low == 0])
            values[start - first : high - first] = self._session.run(["features"], feeds | fixed)[0]
        return values

    def _daily(self, daily: DailyTable, bars: BarTable) -> dict[str, Array]:
        spec = self.spec
        if not spec.daily and not spec.daily_close:
            return {}
        unknown = np.full(len(daily.dates), np.nan)
        feeds: dict[str, Array] = {name: daily.series.get(name, unknown) for name in spec.daily}
        feeds["daily_date"] = daily.dates
        if spec.daily_close:
            feeds["daily_close"] = daily.closes(bars.timestamps, bars.columns["close"], spec.bar_ms)
        return feeds


def _check_ends(session: Any, spec: FeaturesSpec) -> None:
    due = {"timestamp": "int64", "bar_number": "int64", "rows": "int64", "from_start": "bool"}
    due |= dict.fromkeys((*spec.columns, *spec.daily), "double")
    due |= {"daily_date": "int64"} if spec.daily or spec.daily_close else {}
    due |= {"daily_close": "double"} if spec.daily_close else {}
    found = {end.name: end.type for end in session.get_inputs()}
    wanted = {name: f"tensor({kind})" for name, kind in due.items()}
    if found != wanted:
        odd = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise IntegrityError("the features graph must take what its spec says", place="inputs", value=odd)
    outputs = {end.name: (end.type, end.shape[1]) for end in session.get_outputs()}
    width = len(spec.features)
    if outputs != {"features": ("tensor(float)", width), "available": ("tensor(bool)", width)}:
        from gradus_runtime.wording import counted  # only where it is wrong

        rule = f"the features graph must give {counted(width, 'feature')}"
        raise IntegrityError(rule, place="outputs", value=outputs)


def replay_golden_candles(session: FeaturesSession, golden: GoldenCandles, *, place: str) -> None:
    """Compute the features of golden candles, and hold them to those of training, bit for bit.

    Raises:
        IntegrityError: They differ.
        DataError: A golden bar opens while the market is closed.
    """
    bars = session.bridged(golden.timestamps, dict(golden.columns))
    got = session.run(bars, golden.daily, rows=len(golden.features))
    if got.shape != golden.features.shape:
        raise IntegrityError(
            "golden candles must hold a feature for each column of the graph",
            place=place,
            value=golden.features.shape,
        )
    wrong = (got.view(np.uint32) != golden.features.view(np.uint32)).any(axis=0)
    if wrong.any():
        raise IntegrityError(
            "golden candles must give the features of training, bit for bit",
            place=place,
            value=[name for name, bad in zip(session.spec.names, wrong, strict=True) if bad][:5],
            hint="The graph, or this onnxruntime, does not compute what training computed.",
        )
