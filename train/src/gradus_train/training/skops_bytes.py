"""skops files whose bytes follow from the model alone.

skops numbers objects by their addresses in memory and stamps the time of day on the entries of its zip file.
Here the numbers are given by order of occurrence, and the time is fixed.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from skops import io as skops_io

__all__ = ["stable_bytes"]

_TIME = (1980, 1, 1, 0, 0, 0)


def stable_bytes(estimator: Any) -> bytes:
    """Return the skops file of an estimator; equal models give equal bytes.

    Raises:
        ValueError: skops wrote something whose address this does not find (a newer layout).
    """
    with zipfile.ZipFile(io.BytesIO(skops_io.dumps(estimator))) as source:
        schema = json.loads(source.read("schema.json"))
        renamer = _Renamer()
        renamer.visit(schema)
        entries = {new: source.read(old) for old, new in renamer.files.items()}
        left = set(source.namelist()) - renamer.files.keys() - {"schema.json"}
    if left:
        raise ValueError(f"a file of a skops archive must be named by its schema, but got {sorted(left)}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        entries["schema.json"] = json.dumps(schema, separators=(",", ":")).encode()
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, entries[name], compresslevel=6)
    return buffer.getvalue()


class _Renamer:
    """Walks a schema and replaces ids and file names; remembers old names of files by new ones."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._ids: dict[int, int] = {}
        self._next = 0

    def visit(self, node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                self.visit(item)
        elif isinstance(node, dict):
            if "__id__" in node and "__loader__" in node:
                node["__id__"] = self._number(node["__id__"], shared=node["__loader__"] != "JsonNode")
            if isinstance(node.get("file"), str) and "__loader__" in node:
                node["file"] = self.files.setdefault(node["file"], f"{len(self.files):06d}.npy")
            for item in node.values():
                self.visit(item)

    def _number(self, address: int, *, shared: bool) -> int:
        # Whether two equal numbers or texts are one object is Python's affair: they are never shared here.
        if shared and address in self._ids:
            return self._ids[address]
        self._next += 1
        if shared:
            self._ids[address] = self._next
        return self._next
