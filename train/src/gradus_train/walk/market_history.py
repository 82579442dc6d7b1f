"""A market's history: read once, and cut at any moment as a file that ended there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradus_live.bars import Bars
from gradus_live.labels import LabelRule
from gradus_runtime.candles.reading import iso_time
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import CheckError, DataError, UsageError
from gradus_runtime.wording import counted
from gradus_train.data.dataset import Dataset, check_columns, dataset_of
from gradus_train.data.from_candles import CandleInputs, read_candle_inputs
from gradus_train.data.source import DataSettings, DataSource
from gradus_train.features import resolved
from gradus_train.walk.weeks import Week

__all__ = ["History", "market_of", "read_history"]


@dataclass(frozen=True, slots=True)
class History:
    """What the files hold.

    Attributes:
        inputs: As read.
        settings: How data is read.
        order: Features with their expressions.
        rule: How bars are labelled.
        whole: Every bar of the files with its features and label: what happened, which no week may know.
    """

    inputs: CandleInputs
    settings: DataSettings
    order: FeatureOrder
    rule: LabelRule
    whole: Dataset

    def known_at(self, moment_ms: int) -> Dataset:
        """Return what `gradus train` would read at a moment: bars closed by then, days over by then.

        Features and labels are computed anew from what is left of the files, so they cannot depend on what
        comes later; features must then equal those of the whole history, bit for bit.

        Args:
            moment_ms: ms UTC.

        Raises:
            DataError: Too few labelled rows by then.
            CheckError: A feature of the whole history depends on later bars.
        """
        inputs = self.inputs.before(moment_ms)
        if inputs.candles.frame.is_empty():
            raise DataError("a week must have bars before it", place="--from", hint="Begin later.")
        known = dataset_of(inputs, self.settings, self.order, self.rule)
        labelled = int((known.labels >= 0).sum())
        if labelled < (least := self.settings.minimum_rows):
            raise DataError(
                f"a week needs {counted(least, 'labelled row')} before it",
                value=labelled,
                hint="Begin later, or lower the bar: --minimum-rows N.",
            )
        self._check_features(known)
        _check_labels(known, moment_ms)
        return known

    def bars_of(self, week: Week) -> Dataset:
        """Return the bars that a week's decisions are about: those that close within it."""
        stamps = self.whole.timestamps
        closes = stamps + self.whole.bar_ms
        return self.whole.select(np.asarray((closes > week.start_ms) & (closes <= week.end_ms)))

    def _check_features(self, known: Dataset) -> None:
        whole = self.whole.features[: len(known.features)]
        same = (whole.view(np.uint32) == known.features.view(np.uint32)) | (
            np.isnan(whole) & np.isnan(known.features)
        )
        if not same.all():
            row, column = (int(i[0]) for i in np.nonzero(~same))
            raise CheckError(
                "a feature must not depend on later bars",
                place=f"{known.names[column]}, bar {row}",
                value=(float(whole[row, column]), float(known.features[row, column])),
                hint="This is a fault of gradus: report it with the feature order.",
            )


def _check_labels(known: Dataset, moment_ms: int) -> None:
    ends = known.timestamps + (known.rule.reach + 1) * known.bar_ms
    early = np.flatnonzero((known.labels >= 0) & (ends > moment_ms))
    if len(early):
        raise CheckError(
            "a label must not look beyond the moment at which a week begins",
            place=iso_time(known.timestamps[early[0]]),
            value=f"{counted(len(early), 'label does', 'labels do')}",
            hint="This is a fault of gradus: report it with the label's section of the configuration.",
        )


def market_of(data: Dataset) -> Bars:
    """Return the bars of rows with their prices."""
    opens, highs, lows = data.prices if data.prices is not None else (None, None, None)
    return Bars(data.timestamps, data.close, data.bar_ms, opens, highs, lows)


def read_history(source: DataSource, order: FeatureOrder, rule: LabelRule) -> History:
    """Read the files of a market.

    Args:
        source: Files and how to read them; candles must be among them.
        order: Features and levels.
        rule: How bars are labelled.

    Raises:
        UsageError: There are no candles: money needs prices.
        DataError: The data breaks a rule.
        ConfigError: The order, or the label, names a column that the source cannot give.
    """
    if source.candles is None:
        raise UsageError(
            "a walk needs candles: orders are filled at their prices",
            place="--candles",
            hint="Give --candles FILE; features of your own may stand beside: --features FILE.",
        )
    order = resolved(order)
    check_columns(rule, order)
    inputs = read_candle_inputs(source.candles, source, order)
    whole = dataset_of(inputs, source.settings, order, rule)
    return History(inputs, source.settings, order, rule, replace(whole, golden=None))
