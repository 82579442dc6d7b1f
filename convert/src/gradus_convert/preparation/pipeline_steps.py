"""The operations of a pipeline before its trees: blocks of columns, each defined by the blocks before it.

All numbers are float64, and every operator is one that IEEE 754 defines or that picks values; so a graph
gives the bits that scikit-learn gives, which is its oracle. `emit` writes a block as nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gradus_convert.graphs.builder import BOOL, DOUBLE, FLOAT, INT64, Graph
from gradus_convert.graphs.operators import ML

__all__ = [
    "MISSING_TEXT",
    "NUMBERS",
    "TEXTS",
    "Block",
    "Coded",
    "Computed",
    "Filled",
    "JoinedBlocks",
    "Missing",
    "Numbers",
    "Picked",
    "TextColumns",
    "categories_of",
    "columns_of_block",
    "emit",
    "origins",
    "width",
]

NUMBERS, TEXTS = "features", "texts"
"""The inputs: float64 [N, F] and text [N, T]."""

MISSING_TEXT = "\x00missing"
"""What stands for a missing text in the input: a text tensor has no None."""

Float64 = npt.NDArray[np.float64]
Operator = Literal["Add", "Sub", "Mul", "Div", "Max", "Min", "Greater"]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Columns of the user's rows, as numbers."""

    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TextColumns:
    """Columns of the user's rows, as texts; what stands for a missing one, by column, if it is no None."""

    columns: tuple[int, ...]
    fills: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """A copy of a block with `values` [k] for NaN."""

    block: Block
    values: Float64


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """1 where a block is NaN, else 0."""

    block: Block


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """A block and an operand [k] by column; Greater gives 1 or 0."""

    block: Block
    operator: Operator
    operand: Float64


@dataclass(frozen=True, slots=True)
class Picked:
    """Some columns of a block."""

    block: Block
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A table by category, for one column: row k for the category k, the last row for every other.

    Attributes:
        block: Of one column.
        categories: Texts, or numbers; a number may be NaN.
        table: float64 [categories + 1, width].
    """

    block: Block
    categories: tuple[str, ...] | tuple[float, ...]
    table: Float64


@dataclass(frozen=True, slots=True)
class JoinedBlocks:
    """Blocks side by side."""

    blocks: tuple[Block, ...]


Block = Numbers | TextColumns | Filled | Missing | Computed | Picked | Coded | JoinedBlocks


def width(block: Block) -> int:
    """Return how many columns a block has."""
    if isinstance(block, Numbers | TextColumns | Picked):
        return len(block.columns)
    if isinstance(block, Coded):
        return int(block.table.shape[1])
    if isinstance(block, JoinedBlocks):
        return sum(width(b) for b in block.blocks)
    return width(block.block)


@dataclass(slots=True)
class _Writer:
    """Nodes for blocks; a block that stands twice is written once."""

    graph: Graph
    numbers: dict[int, int]
    texts: dict[int, int]
    done: dict[int, str] = field(default_factory=dict)

    def write(self, block: Block) -> str:
        if id(block) not in self.done:
            self.done[id(block)] = self._write(block)
        return self.done[id(block)]

    def _write(self, block: Block) -> str:
        g, k = self.graph, width(block)
        if isinstance(block, Numbers):
            places = [self.numbers[c] for c in block.columns]
            if places == list(range(len(self.numbers))):
                return NUMBERS
            return g.op("Gather", NUMBERS, g.constant(places, np.int64), axis=1, **self._as(k))
        if isinstance(block, Picked):
            which = g.constant(block.columns, np.int64)
            return g.op("Gather", self.write(block.block), which, axis=1, **self._as(k))
        if isinstance(block, Filled):
            x = self.write(block.block)
            fill = g.constant(block.values[None], np.float64)
            return g.op("Where", g.op("IsNaN", x, type=BOOL, dims=["N", k]), fill, x, **self._as(k))
        if isinstance(block, Missing):
            nan = g.op("IsNaN", self.write(block.block), type=BOOL, dims=["N", k])
            return g.op("Cast", nan, to=DOUBLE, **self._as(k))
        if isinstance(block, Computed):
            return self._computed(block, k)
        if isinstance(block, Coded):
            return self._coded(block)
        if isinstance(block, JoinedBlocks):
            parts = [self.write(b) for b in block.blocks if width(b)]
            return parts[0] if len(parts) == 1 else g.op("Concat", *parts, axis=1, **self._as(k))
        raise TypeError("texts must be coded")

    @staticmethod
    def _as(k: int) -> dict[str, Any]:
        return {"type": DOUBLE, "dims": ["N", k]}

    def _computed(self, block: Computed, k: int) -> str:
        g = self.graph
        x, operand = self.write(block.block), g.constant(block.operand[None], np.float64)
        if block.operator != "Greater":
            return g.op(block.operator, x, operand, **self._as(k))
        above = g.op("Greater", x, operand, type=BOOL, dims=["N", k])
        return g.op("Cast", above, to=DOUBLE, **self._as(k))

    def _coded(self, block: Coded) -> str:
        g = self.graph
        code = self._text_code(block) if isinstance(block.block, TextColumns) else self._number_code(block)
        table = g.constant(block.table, np.float64)
        return g.op("Gather", table, code, axis=0, **self._as(int(block.table.shape[1])))

    def _text_code(self, block: Coded) -> str:
        g, texts = self.graph, block.block
        if not isinstance(texts, TextColumns) or len(texts.columns) != 1:
            raise TypeError("a column of texts is coded by itself")
        keys = [str(c) for c in block.categories]
        codes = list(range(len(keys)))
        fill = texts.fills[0]
        if fill is not None and MISSING_TEXT not in keys:
            keys.append(MISSING_TEXT)
            codes.append(keys.index(fill) if fill in keys[:-1] else len(block.categories))
        column = g.op("Gather", TEXTS, g.constant(self.texts[texts.columns[0]], np.int64), axis=1)
        return g.op(
            "LabelEncoder",
            column,
            domain=ML,
            keys_strings=keys,
            values_int64s=codes,
            default_int64=len(block.categories),
            type=INT64,
            dims=["N"],
        )

    def _number_code(self, block: Coded) -> str:
        """The first category that equals a value: ArgMax of their equalities, and of 1/2 for none."""
        g, keys = self.graph, np.array(block.categories, np.float64)
        x = self.write(block.block)
        if np.isnan(keys).any():
            stand_in = _unused(keys)
            keys = np.where(np.isnan(keys), stand_in, keys)
            nan = g.op("IsNaN", x, type=BOOL, dims=["N", 1])
            x = g.op("Where", nan, g.constant(stand_in, np.float64), x, **self._as(1))
        same = g.op("Equal", x, g.constant(keys[None], np.float64), type=BOOL, dims=["N", len(keys)])
        number = g.op("Cast", same, to=FLOAT, type=FLOAT, dims=["N", len(keys)])
        padded = g.op("Pad", number, g.shape(0, 0, 0, 1), g.constant(0.5, np.float32))
        return g.op("ArgMax", padded, axis=1, keepdims=0, type=INT64, dims=["N"])


def _unused(keys: Float64) -> float:
    """A number that is no category."""
    candidate = 1.7e308
    while candidate in keys:
        candidate = float(np.nextafter(candidate, 0.0))
    return candidate


def emit(graph: Graph, block: Block, numbers: Sequence[int], texts: Sequence[int]) -> str:
    """Write a block, float64 [N, width], and return its name.

    Args:
        graph: Written to.
        block: What to write; columns are those of the user's rows.
        numbers: The columns of the user's rows that the input `features` has, in order.
        texts: Likewise of the input `texts`.
    """
    writer = _Writer(graph, {c: i for i, c in enumerate(numbers)}, {c: i for i, c in enumerate(texts)})
    return writer.write(block)


def columns_of_block(block: Block) -> tuple[set[int], set[int]]:
    """Return the columns of the user's rows that a block takes as numbers, and as texts."""
    if isinstance(block, Numbers):
        return set(block.columns), set()
    if isinstance(block, TextColumns):
        return set(), set(block.columns)
    inner = block.blocks if isinstance(block, JoinedBlocks) else (block.block,)
    found = [columns_of_block(b) for b in inner]
    return set().union(*(n for n, _ in found)), set().union(*(t for _, t in found))


def origins(block: Block) -> list[int]:
    """Return the column of the user's rows that each column of a block is made of."""
    if isinstance(block, Numbers | TextColumns):
        return list(block.columns)
    if isinstance(block, JoinedBlocks):
        return [c for b in block.blocks for c in origins(b)]
    inner = origins(block.block)
    if isinstance(block, Picked):
        return [inner[i] for i in block.columns]
    return inner * width(block) if isinstance(block, Coded) else inner


def categories_of(block: Block) -> dict[int, tuple[str, ...] | tuple[float, ...]]:
    """Return the categories that are known of columns of the user's rows."""
    if isinstance(block, Coded):
        return {origins(block.block)[0]: block.categories}
    found: dict[int, tuple[str, ...] | tuple[float, ...]] = {}
    if isinstance(block, Numbers | TextColumns):
        return found
    for inner in block.blocks if isinstance(block, JoinedBlocks) else (block.block,):
        found |= categories_of(inner)
    return found
