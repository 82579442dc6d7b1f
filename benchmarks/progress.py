"""What a run has measured so far, so that an interrupted one goes on where it stopped."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["Progress", "say"]

_START = time.monotonic()


def say(text: str) -> None:
    """Print a line of progress to stderr."""
    minutes, seconds = divmod(int(time.monotonic() - _START), 60)
    print(f"[{minutes:02}:{seconds:02}] {text}", file=sys.stderr, flush=True)


class Progress:
    """Results of finished measures, in a file.

    Args:
        path: The file.
        key: What the results depend on; results of another key are dropped.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._value: dict[str, Any] = {"key": key, "done": {}}
        if path.exists():
            value = json.loads(path.read_text())
            if value["key"] == key:
                self._value = value

    def get(self, measure: str) -> Any:
        """Return what `put` kept, or None."""
        return self._value["done"].get(measure)

    def put(self, measure: str, result: Any) -> None:
        """Keep the result of a measure, a JSON value."""
        self._value["done"][measure] = result
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._value))
        new.replace(self._path)

    def clear(self) -> None:
        """Forget everything."""
        self._value["done"] = {}
        self._path.unlink(missing_ok=True)
