"""Units of values, as far as an expression says: price, price difference, volume, a number, or mixed.

The runtime's guard against rows in other units asks for them; nothing is refused because of a unit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

__all__ = ["LITERAL", "MIXED", "NUMBER", "Unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A product of powers of base units, by name; no powers are a plain number.

    `kind` is "known", "literal" (a number of the expression, which takes the unit of what it meets) or
    "mixed" (what has no unit, such as a price plus a volume). `level` is how many times the column itself is
    in the value: 1 in a close or its mean, 0 in the difference of two closes or their deviation.
    """

    powers: tuple[tuple[str, int], ...] = ()
    kind: str = "known"
    level: float = field(default=0.0, compare=False)

    @classmethod
    def base(cls, name: str) -> Unit:
        """The unit of a column."""
        return cls(((name, 1),), level=1.0)

    def at(self, level: float) -> Unit:
        """The same unit of a value in which the column is so many times."""
        return replace(self, level=level)

    def __mul__(self, other: Unit) -> Unit:
        return self._scaled(other, 1)

    def __truediv__(self, other: Unit) -> Unit:
        return self._scaled(other, -1)

    def _scaled(self, other: Unit, sign: int) -> Unit:
        if self.kind == "mixed" or other.kind == "mixed":
            return MIXED
        if self.kind == other.kind == "literal":
            return LITERAL
        powers = dict(self.powers)
        for name, power in other.powers:
            powers[name] = powers.get(name, 0) + sign * power
        return Unit(tuple(sorted((n, p) for n, p in powers.items() if p)))

    def joined(self, other: Unit) -> Unit:
        """The unit of a sum, or of a choice between the two."""
        if self.kind == "literal":
            return other
        return self if other.kind == "literal" or self == other else MIXED

    def root(self) -> Unit:
        """The unit of the square root."""
        if self.kind != "known" or any(p % 2 for _, p in self.powers):
            return self if self.kind == "literal" else MIXED
        return Unit(tuple((n, p // 2) for n, p in self.powers), level=max(self.level, 0.0) ** 0.5)

    def logarithm(self) -> Unit:
        """A logarithm of a number is a number; of anything else it moves with the unit."""
        return NUMBER if self.kind != "mixed" and not self.powers else MIXED

    def __str__(self) -> str:
        if self.kind == "mixed":
            return "mixed"
        if self.powers == (("price", 1),) and self.level < _A_LEVEL:
            return "price difference"
        up = [n if p == 1 else f"{n}^{p}" for n, p in self.powers if p > 0]
        down = [n if p == -1 else f"{n}^{-p}" for n, p in self.powers if p < 0]
        text = "*".join(up) or ("1" if down else "number")
        return "/".join([text, *down])


_A_LEVEL = 0.5
NUMBER = Unit()
LITERAL = Unit((), "literal")
MIXED = Unit((), "mixed")
