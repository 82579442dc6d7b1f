"""Rows as people have them, read as float32: mappings, lists of mappings, arrays, dataframes.

No dataframe library is imported: they are recognised by what they can do. docs/rows.md has the table of what
comes of each kind of value.
"""

from gradus_runtime.rows.base import CHUNK_ROWS, Rows
from gradus_runtime.rows.mappings import is_mapping
from gradus_runtime.rows.values import read_mapping, read_row

__all__ = [
    "CHUNK_ROWS",
    "Rows",
    "is_mapping",
    "read_mapping",
    "read_row",
]
