"""Something that one call does at a time, while others go on without it."""

from __future__ import annotations

from types import TracebackType

__all__ = ["Turn"]


class Turn:
    """A lock that nobody waits for, and that an exception of a signal handler cannot leave locked.

    A `threading.Lock` that is acquired without waiting stays locked for good if a signal handler raises
    between that call and the next line. Here a token tells whose turn it is, and its check and its store
    have no call between them: neither a signal handler nor another thread gets in. Who took it gives it back
    the same way, in a `finally`: `if turn.owner is token: turn.owner = None`.

    Attributes:
        owner: The token whose turn it is; None if it is nobody's.
    """

    __slots__ = ("owner",)

    def __init__(self) -> None:
        self.owner: object | None = None

    def take(self, token: object) -> bool:
        """Whether it is the turn of this token now."""
        if self.owner is None:
            self.owner = token
        return self.owner is token

    def __enter__(self) -> None:
        self.take(self)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.owner is self:
            self.owner = None
