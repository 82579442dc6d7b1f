"""A dataset as a table in a file, which `--features` reads back to the same dataset."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import polars as pl

from gradus_runtime.errors import UsageError
from gradus_runtime.store.whole_file import write_whole
from gradus_train.data.dataset import Dataset
from gradus_train.ingest.feature_table import REACH_COLUMN

__all__ = ["dataset_table", "write_table"]


def dataset_table(dataset: Dataset) -> pl.DataFrame:
    """Return `timestamp` (UTC), the features, `label` and `label_reach`; null where a value is unavailable.

    A column `simulated` says so where the data is not of a real market.
    """
    label = pl.Series([*dataset.classes, None], dtype=pl.String).gather(
        pl.Series(dataset.labels).replace(-1, len(dataset.classes))
    )
    table = pl.DataFrame(dataset.features, schema=list(dataset.names)).fill_nan(None)
    columns = [pl.Series("timestamp", dataset.timestamps).cast(pl.Datetime("ms", "UTC"))]
    columns += [*table.iter_columns(), label.alias("label")]
    columns.append(pl.Series(REACH_COLUMN, [dataset.rule.reach] * len(table), dtype=pl.Int64))
    if dataset.simulated:
        columns.append(pl.Series("simulated", [True] * len(table), dtype=pl.Boolean))
    return pl.DataFrame(columns)


def write_table(dataset: Dataset, path: Path) -> None:
    """Write the table as Parquet (.parquet) or CSV (.csv, .csv.gz).

    Raises:
        UsageError: Another kind of file.
        EnvironmentFailedError: The file cannot be written.
    """
    if not path.name.endswith((".parquet", ".csv", ".csv.gz")):
        raise UsageError("a table must be a .parquet, .csv or .csv.gz file", place="--out", value=path.name)
    table = dataset_table(dataset)
    if path.suffix == ".parquet":
        buffer = io.BytesIO()
        table.write_parquet(buffer)
        data = buffer.getvalue()
    else:
        data = table.write_csv().encode()
        if path.suffix == ".gz":
            data = gzip.compress(data, mtime=0)
    write_whole(path, data)
