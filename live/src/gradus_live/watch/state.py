"""What was said already; written and synced before and after each message."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from gradus_runtime.contracts import strict_json
from gradus_runtime.errors import DataError
from gradus_runtime.store.whole_file import write_whole

__all__ = ["SENT", "TRIES", "WatchState", "read_state"]

FORMAT = "gradus-watch/1"
SENT = -1
"""Of `WatchState.messages`: it was sent."""
TRIES = 2
"""A message whose sending was begun so often, and ended by a crash each time, counts as sent."""


@dataclass(slots=True)
class WatchState:
    """The state of a watch.

    Attributes:
        path: Its file.
        messages: By id and destination, `SENT`, or how often sending was begun without an end.
    """

    path: Path
    messages: dict[str, int] = field(default_factory=dict)

    def due(self, key: str) -> bool:
        """Whether a message is to be sent."""
        return 0 <= self.messages.get(key, 0) < TRIES

    def begin(self, key: str) -> None:
        """Take down that sending begins."""
        self.messages[key] = self.messages.get(key, 0) + 1
        self._write()

    def end(self, key: str, *, sent: bool) -> None:
        """Take down how it ended; what could not be sent is tried again at the next look."""
        self.messages[key] = SENT if sent else 0
        self._write()

    def _write(self) -> None:
        value = {"format": FORMAT, "messages": dict(sorted(self.messages.items()))}
        write_whole(self.path, (json.dumps(value, indent=1) + "\n").encode())


def read_state(path: Path) -> WatchState:
    """Read the state; an empty one where there is no file yet.

    Raises:
        DataError: The file is not a state.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return WatchState(path)
    except OSError as e:
        raise DataError("the state must be readable", place=str(path), cause=e.strerror) from None
    value = strict_json.parse(data, place=str(path), max_bytes=64 << 20, error=DataError)
    messages = value.get("messages") if isinstance(value, dict) and value.get("format") == FORMAT else None
    if not isinstance(messages, dict) or not all(type(n) is int for n in messages.values()):
        raise DataError(
            f"the state must be {FORMAT}",
            place=str(path),
            hint="Remove it: alerts that were sent are sent again.",
        )
    return WatchState(path, messages)
