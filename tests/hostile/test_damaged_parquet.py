"""A damaged Parquet file is refused in words, or read; what ends the process is polars' own, and is rare."""

from __future__ import annotations

import re

import pytest
from tests.hostile.damaged_parquet import READERS, damaged, ends, whole

OURS = {"refused", "read as before", "read as other values"}
POLARS_OWN = re.compile(r"died by -6: \['memory allocation of \d+ bytes failed'\]")
"""It believes a page that says it has fewer than no values, and ends the process: docs/security.md."""


@pytest.mark.long
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_is_refused_in_words_or_read(reader: str) -> None:
    found = ends(reader, 2000)
    print(reader, dict(found))
    assert found["refused"] > 1000
    assert [end for end in found if end not in OURS and not POLARS_OWN.fullmatch(end)] == []
    assert sum(count for end, count in found.items() if end not in OURS) <= 10


def test_no_copy_is_whole() -> None:
    files = whole()
    same = sum(good == data for good, data in (damaged(files, seed) for seed in range(300)))
    assert same < 10, "a byte may be replaced by itself"
