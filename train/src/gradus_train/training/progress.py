"""What a person sees while parts are trained: bars on a terminal, plain lines elsewhere. All on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from gradus_runtime.wording import counted
from gradus_train.training.parts import PartKey

__all__ = ["Lines", "Progress", "Silent", "TerminalBars", "progress_for"]


class Progress(Protocol):
    """Told of what happens; used as a context manager."""

    def start(self, keys: Sequence[PartKey], done: Sequence[PartKey]) -> None:
        """All parts of the run, and those kept from before."""
        ...

    def finished(self, key: PartKey, seconds: float) -> None:
        """A part is trained and kept."""
        ...

    def trial(self, study: str, done: int, total: int, best: float | None) -> None:
        """A trial of a search has ended."""
        ...

    def say(self, text: str) -> None:
        """Show a line."""
        ...

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        ...


class Silent:
    """Shows nothing."""

    def start(self, keys: Sequence[PartKey], done: Sequence[PartKey]) -> None:
        """Show nothing."""

    def finished(self, key: PartKey, seconds: float) -> None:
        """Show nothing."""

    def trial(self, study: str, done: int, total: int, best: float | None) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Lines(Silent):
    """One plain line an event: for logs and pipes. Each begins with `prefix`."""

    def __init__(self, *, verbose: bool = False, prefix: str = "") -> None:
        self._verbose = verbose
        self._prefix = prefix
        self._total = 0
        self._done = 0

    def start(self, keys: Sequence[PartKey], done: Sequence[PartKey]) -> None:
        """Say how much there is."""
        self._total, self._done = len(keys), len(done)
        kept = f", {len(done)} kept from before" if done else ""
        self.say(f"{counted(len(keys), 'part')} to train{kept}")

    def finished(self, key: PartKey, seconds: float) -> None:
        """Say the part; without `verbose` only about every tenth."""
        self._done += 1
        step = max(1, self._total // 10)
        if self._verbose or self._done % step == 0 or self._done == self._total:
            self.say(f"[{self._done}/{self._total}] {key} ({seconds:.1f} s)")

    def trial(self, study: str, done: int, total: int, best: float | None) -> None:
        """Say the trial; without `verbose` only about every tenth."""
        if self._verbose or done % max(1, total // 10) == 0 or done == total:
            self.say(f"[{done}/{total}] {study}: best {'-' if best is None else format(best, '.4f')}")

    def say(self, text: str) -> None:
        """Write the line."""
        print(f"{self._prefix}{text}", file=sys.stderr, flush=True)


class TerminalBars(Silent):
    """A bar for all parts, one for each level and fold set, and one for the trials of a search."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._bars = Bars(
            TextColumn("{task.description:<34}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def start(self, keys: Sequence[PartKey], done: Sequence[PartKey]) -> None:
        """Draw the bars."""
        for name in ["all parts", *dict.fromkeys(k.level for k in sorted(keys, key=lambda k: k.level))]:
            mine = [k for k in keys if name in ("all parts", k.level)]
            kept = [k for k in done if name in ("all parts", k.level)]
            self._tasks[name] = self._bars.add_task(name, total=len(mine), completed=len(kept))

    def finished(self, key: PartKey, seconds: float) -> None:
        """Move the bars of all parts and of the level."""
        self._bars.advance(self._tasks["all parts"])
        self._bars.update(
            self._tasks[key.level], advance=1, description=f"{key.level}: {key.member} {key.fold}"
        )
        if self._verbose:
            self.say(f"{key} ({seconds:.1f} s)")

    def trial(self, study: str, done: int, total: int, best: float | None) -> None:
        """Move the bar of the study."""
        if study not in self._tasks:
            self._tasks[study] = self._bars.add_task(study, total=total)
        shown = "-" if best is None else format(best, ".4f")
        self._bars.update(self._tasks[study], completed=done, description=f"{study}: best {shown}")

    def say(self, text: str) -> None:
        """Write a line above the bars."""
        self._bars.console.print(text, highlight=False)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


def progress_for(*, verbose: bool) -> Progress:
    """Return bars where stderr is a terminal, lines elsewhere."""
    return TerminalBars(verbose=verbose) if sys.stderr.isatty() else Lines(verbose=verbose)
