"""What commands print alike: JSON, tables, the pin."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence

from gradus_runtime.contracts import codec
from gradus_runtime.contracts.features_graph import FeaturesGraph, changed_inputs
from gradus_runtime.contracts.texts import shown
from gradus_runtime.errors import GradusError, IntegrityError, let_signals_through
from gradus_runtime.store import Store
from gradus_runtime.store.pin_file import Pin

__all__ = [
    "headline",
    "pin_before",
    "print_json",
    "print_table",
    "print_wrapped",
    "report_pin",
    "table_text",
    "terminal_width",
    "warn_of_simulation",
    "wrapped",
]


def print_json(value: object) -> None:
    """Write one JSON value to standard output."""
    print(json.dumps(codec.encode(value)))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows in columns as wide as they need, or as blocks that fit the terminal."""
    print(table_text(head, rows, terminal_width()))


def print_wrapped(before: str, text: str, *, indent: int = 0) -> None:
    """Write a text after what stands before it, as `wrapped` does; on a terminal its lines end in time."""
    print(wrapped(before, text, terminal_width(), indent=indent))


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """Return rows in columns as wide as they need; what is not printable in a cell is escaped.

    Where the table is wider than `width` characters each row is a block, a line a cell.
    """
    rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    if max(map(len, lines)) <= width:
        return "\n".join(lines)
    names = max(map(len, head)) + 2
    blocks = [
        "\n".join(
            wrapped(name.ljust(names), cell, width) for name, cell in zip(head, row, strict=True) if cell
        )
        for row in rows
    ]
    return "\n\n".join(blocks)


def wrapped(before: str, text: str, width: int, *, indent: int = 0) -> str:
    """Return a text after what stands before it, its lines below one another and `width` characters long.

    Args:
        before: What stands before the text.
        text: Words with blanks between them.
        width: Characters of a line.
        indent: How much further to the right the second line begins, and those after it.
    """
    if len(before) + len(text) > width:
        import textwrap  # only where a terminal is narrow

        room, more = max(width - len(before), 20 + indent), " " * indent
        text = f"\n{' ' * len(before)}".join(textwrap.wrap(text, room, subsequent_indent=more))
    return f"{before}{text}".rstrip()


def terminal_width() -> int:
    """Columns of the terminal; files and pipes get whole lines."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or sys.maxsize
    except (OSError, ValueError):  # no terminal, or no file at all
        return sys.maxsize


def headline(metrics: Mapping[str, float]) -> str:
    """The few metrics that a table has room for: the usual ones, else the first by name."""
    usual = [name for name in ("f1_weighted", "accuracy", "log_loss") if name in metrics]
    return " ".join(f"{name}={metrics[name]:.4g}" for name in usual or sorted(metrics)[:3])


def pin_before(store: Store) -> Pin | None:
    """The pin before a change; None where there is none, or a damaged one that the change is to replace."""
    try:
        return store.pin_state()
    except IntegrityError:
        return None


def report_pin(store: Store, before: Pin | None, pin: Pin, as_json: bool) -> None:
    """Say what is pinned now, and warn of models that were trained on a simulated market."""
    with store.open(pin.version) as artifact:
        simulated = artifact.manifest.provenance.simulated
        graph = artifact.manifest.features_graph
    if as_json:
        print_json({"pin": codec.encode(pin), "changed": pin != before, "simulated": simulated})
    elif pin == before:
        print(f"{pin.version} was pinned already, generation {pin.generation}")
    else:
        former = f", {before.version} before" if before else ""
        print(f"{pin.version} is pinned, generation {pin.generation}{former}")
    if simulated:
        warn_of_simulation(pin.version)
    if before is not None and before.version != pin.version:
        _warn_of_inputs(store, before.version, pin.version, graph)


def _warn_of_inputs(store: Store, before: str, version: str, graph: FeaturesGraph | None) -> None:
    """Say on stderr what a feed of candles must change for the version that is pinned now."""
    try:
        with store.open(before) as artifact:
            changes = changed_inputs(artifact.manifest.features_graph, graph)
    except GradusError as e:  # a version that is damaged or gone: why it was left, and no news here
        let_signals_through(e)
        return
    for change in changes:
        print(f"warning: {version} takes other inputs than {before}: {change}", file=sys.stderr)


def warn_of_simulation(version: str) -> None:
    """Say on stderr that a pinned version knows no real market."""
    text = f"warning: {version} was trained on a simulated market; do not trade real money on it"
    print(text, file=sys.stderr)
