"""The configuration tried on its table, before it is written: what `gradus train` would do with it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from gradus_runtime.contracts import feature_order
from gradus_runtime.wording import counted
from gradus_train import config as configuration
from gradus_train.data.dataset import load_dataset
from gradus_train.data.source import DataSource
from gradus_train.init.config_files import feature_order_of
from gradus_train.init.questions import Question, ask
from gradus_train.init.survey import Survey
from gradus_train.training.prepare import Plan, prepare

__all__ = ["class_counts", "planned"]


def class_counts(table: Path, found: Survey, command: str) -> dict[str, int]:
    """Label the rows, and return how many have each class.

    Args:
        table: The file.
        found: What it says of itself.
        command: What was typed, where there are fewer rows than a training run takes.

    Raises:
        UsageError: There are too few rows, and nobody said that so few will do.
        DataError: The table breaks a rule.
    """
    settings = replace(found.settings, minimum_rows=1)
    data = load_dataset(DataSource(features=table, settings=settings), feature_order_of(found), found.rule)
    labels = data.labels[data.labels >= 0]
    least = found.settings.minimum_rows
    if len(labels) < least:
        text = f"{counted(len(labels), 'row has', 'rows have')} a label; fewer than {least:,} say little. "
        text += "To train all the same:"
        ask([Question(text, f"--minimum-rows {len(labels)}")], command, str(table))
    counts = np.bincount(labels, minlength=len(found.rule.classes)).tolist()
    return dict(zip(found.rule.classes, counts, strict=True))


def planned(files: Mapping[str, bytes], table: Path) -> Plan:
    """Read the files of a configuration, and plan the run of a table with them: what is written works.

    Raises:
        GradusError: It would not.
    """
    with tempfile.TemporaryDirectory(prefix="gradus-init-") as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        config = configuration.load(folder / "training.toml")
        order = feature_order.load(folder / "feature_order.json")
    data = load_dataset(DataSource(features=table, settings=config.data), order, config.labels)
    return prepare(data, order, config)
