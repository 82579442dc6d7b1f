"""Damaged copies of Parquet files, read in child processes: how often each reader refuses, errs, or dies.

python -m tests.hostile.damaged_parquet --copies 20000        (ten minutes)
"""

from __future__ import annotations

import argparse
import io
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet
from tests.support.candles import random_bars

from gradus_runtime.errors import DataError
from gradus_runtime.rows.files import read_rows
from gradus_train.ingest import load_candles

PROJECT = Path(__file__).resolve().parents[2]
FORMS = ("zstd", "snappy", "gzip", "lz4", "brotli", "uncompressed")
BATCH = 250
FEATURES = frozenset({"open", "high", "low", "close", "volume"})


def whole() -> list[bytes]:
    """A small table of candles by polars and by pyarrow, in every compression, with pages and row groups."""
    bars = random_bars(400)
    table = bars.with_columns(
        pl.from_epoch("timestamp", "ms").dt.replace_time_zone("UTC"),
        day=pl.from_epoch("timestamp", "ms").dt.date(),
        note=pl.Series([f"candle {i * 7919 % 1000}" for i in range(len(bars))]),
        open_gap=pl.Series([None if i % 5 == 0 else i % 3 == 0 for i in range(len(bars))]),
    )
    files = []
    for form in FORMS:
        for write in (by_polars, by_arrow):
            out = io.BytesIO()
            write(table, out, form)
            files.append(out.getvalue())
    return files


def by_polars(table: pl.DataFrame, out: io.BytesIO, form: Any) -> None:
    table.write_parquet(out, compression=form, row_group_size=200, data_page_size=1024)


def by_arrow(table: pl.DataFrame, out: io.BytesIO, form: str) -> None:
    name = "none" if form == "uncompressed" else form
    pyarrow.parquet.write_table(
        table.to_arrow(), out, compression=name, row_group_size=200, data_page_size=1024
    )


def damaged(files: list[bytes], seed: int) -> tuple[bytes, bytes]:
    """A file, and the same with other bytes anywhere or in its footer, with turned bits, a hole or a gap."""
    chance = random.Random(seed)
    good = chance.choice(files)
    data = bytearray(good)
    kind, end = chance.random(), len(data) - 8
    if kind < 0.6:
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            data[chance.randrange(4, end)] = chance.randrange(256)
    elif kind < 0.8:
        footer = int.from_bytes(data[-8:-4], "little")
        for _ in range(chance.choice([1, 1, 2, 5])):
            data[chance.randrange(end - footer, end)] = chance.randrange(256)
    elif kind < 0.9:
        for _ in range(chance.choice([1, 2])):
            data[chance.randrange(4, end)] ^= 1 << chance.randrange(8)
    else:
        at, size = chance.randrange(4, end), chance.choice([16, 512, 4096])
        size = min(size, end - at)
        data[at : at + size] = bytes(size) if chance.random() < 0.5 else b""
    return good, bytes(data)


def as_candles(path: Path) -> str:
    return repr(load_candles(path, bar_ms=900_000, timezone="UTC").frame.to_dict(as_series=False))


def as_rows(path: Path) -> str:
    return repr([(row.values, row.problem) for row in read_rows(str(path), FEATURES)])


def as_rows_by_polars(path: Path) -> str:
    sys.modules["pyarrow.parquet"] = None  # type: ignore[assignment]
    return as_rows(path)


READERS: dict[str, Callable[[Path], str]] = {
    "candles": as_candles,
    "rows by pyarrow": as_rows,
    "rows by polars": as_rows_by_polars,
}


def read_some(reader: str, first: int, last: int) -> None:
    """Say a line a copy: its seed before it is read, and then how it ended."""
    read, files = READERS[reader], whole()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"

        def content(data: bytes) -> str:
            path.unlink(missing_ok=True)  # polars may still look at the last one: a file of its own each
            path.write_bytes(data)
            return read(path)

        right = {data: content(data) for data in files}
        for seed in range(first, last):
            good, data = damaged(files, seed)
            print(seed, end=" ", flush=True)
            try:
                end = "read as before" if content(data) == right[good] else "read as other values"
            except DataError:
                end = "refused"
            except BaseException as e:  # what must not come out is counted by its name
                end = f"{type(e).__name__}: {str(e).splitlines()[:1]}"
            print(end, flush=True)


def ends(reader: str, copies: int) -> Counter[str]:
    """Read copies with the seeds 0, 1, ...; a child that dies is counted, and another goes on behind it."""
    found: Counter[str] = Counter()
    seed = 0
    while seed < copies:
        last = min(seed + BATCH, copies)
        words = [
            sys.executable,
            "-m",
            "tests.hostile.damaged_parquet",
            "--child",
            reader,
            str(seed),
            str(last),
        ]
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=PROJECT,
            env=os.environ | {"RUST_BACKTRACE": "0"},
        )
        lines = [line.partition(" ")[2] for line in done.stdout.splitlines()]
        found.update(line for line in lines if line)
        seed += sum(1 for line in lines if line)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "memory allocation" in line]
            found[f"died by {done.returncode}: {(said or done.stderr.splitlines())[-1:]}"] += 1
            seed += 1
    return found


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--copies", type=int, default=4000)
    parser.add_argument("--reader", choices=READERS, action="append", help="one of them; by default all")
    parser.add_argument("--child", nargs=3, metavar=("READER", "FIRST", "LAST"))
    args = parser.parse_args()
    if args.child:
        read_some(args.child[0], int(args.child[1]), int(args.child[2]))
        return
    for reader in args.reader or READERS:
        print(f"{reader}, {args.copies} copies")
        for end, count in ends(reader, args.copies).most_common():
            print(f"  {count:6}  {end}")


if __name__ == "__main__":
    main()
