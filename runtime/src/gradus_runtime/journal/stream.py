"""A journal that is a stream: what keeps the output of a process keeps the journal."""

from __future__ import annotations

import sys
from typing import Protocol

__all__ = ["Stream", "StreamSink"]


class Stream(Protocol):
    """What is needed of a stream of text."""

    def write(self, text: str, /) -> object:
        """Write text."""
        ...


class StreamSink:
    """Writes lines to a stream, each by one call.

    Args:
        stream: None for standard error, whatever that is at the moment of writing.
    """

    def __init__(self, stream: Stream | None) -> None:
        self.place = "standard error" if stream is None else repr(stream)[:80]
        self._stream = stream

    def write(self, data: bytes, day: str) -> None:
        """Write whole lines, each flushed by itself; whatever the stream raises is raised.

        Several processes may share a pipe. It takes up to 4,096 bytes at once: a line stays whole, and
        several together would not.
        """
        stream = sys.stderr if self._stream is None else self._stream
        if stream is None:
            raise ValueError("this process has no standard error")
        flush = getattr(stream, "flush", None)
        for line in data.decode("ascii").splitlines(keepends=True):
            stream.write(line)
            if flush is not None:
                flush()

    def sync(self, *, undo: bool = False) -> None:
        """Nothing: what becomes of a stream is not ours."""

    def close(self) -> None:
        """Nothing: the stream is not ours."""

    def repair(self) -> None:
        """Nothing."""
