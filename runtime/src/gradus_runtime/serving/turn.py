"""Something that one call does at a time, while others go on without it."""

from __future__ import annotations

from types import TracebackType

__all__ = ["Turn"]


class Turn:
    """A lock that nobody waits for, and that an exception of a signal handler cannot leave locked.

    A `threading.Lock` that is acquired without waiting stays locked for good if a signal handler raises
    between that call and the next line. Here a token tells whose turn it is, and its check and its store
    have no call between them: neither a signal handler nor another thread gets in.
    """

    __slots__ = ("_owner",)

    def __init__(self) -> None:
        self._owner: object | None = None

    def take(self, token: object) -> bool:
        """Whether it is the turn of this token now."""
        if self._owner is None:
            self._owner = token
        return self._owner is token

    def end(self, token: object) -> None:
        """End the turn of this token, if it was its turn."""
        if self._owner is token:
            self._owner = None

    def __enter__(self) -> None:
        self.take(self)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(self)
