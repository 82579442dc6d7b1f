"""Expression text to a syntax tree, by precedence climbing.

From loose to tight: or; and; not; comparisons (a chain a < b < c holds where each of them does); + -; * /;
the sign; numbers, names, calls and brackets. Nothing is evaluated here.
"""

from __future__ import annotations

import math

from gradus_train.features.language.source_text import Source, Span
from gradus_train.features.language.syntax import Call, Name, Number, Operation, Syntax, Text
from gradus_train.features.language.tokens import Token, tokenize

__all__ = ["MAX_DEPTH", "parse"]

MAX_DEPTH = 60
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def parse(source: Source) -> Syntax:
    """Parse an expression.

    Args:
        source: Its name and text.

    Raises:
        ConfigError: It is not an expression of the language; the message names the column, what stands there
            and what was expected.
    """
    parser = _Parser(source, tokenize(source))
    tree = parser.either()
    parser.expect_end()
    return tree


class _Parser:
    def __init__(self, source: Source, tokens: list[Token]) -> None:
        self._source = source
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *symbols: str) -> Token | None:
        """The next token, where it is one of these symbols."""
        token = self._next
        if token.kind != "symbol" or token.text not in symbols:
            return None
        self._at += 1
        return token

    def _expect(self, symbol: str, after: str) -> Token:
        token = self._take(symbol)
        if token is None:
            raise self._source.error(f"{symbol!r} was expected {after}", self._next.span)
        return token

    def expect_end(self) -> None:
        if self._next.kind != "end":
            raise self._source.error("an operator or the end of the expression was expected", self._next.span)

    def either(self) -> Syntax:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._source.error(
                f"an expression must nest at most {MAX_DEPTH} deep",
                self._next.span,
                "Name a part of it: terms.",
            )
        tree = self._both()
        while self._take("or"):
            tree = _join("or", tree, self._both())
        self._depth -= 1
        return tree

    def _both(self) -> Syntax:
        tree = self._negated()
        while self._take("and"):
            tree = _join("and", tree, self._negated())
        return tree

    def _negated(self) -> Syntax:
        signs = []
        while token := self._take("not"):
            signs.append(token)
        tree = self._comparison()
        for token in reversed(signs):
            tree = Operation("not", (tree,), token.span.to(tree.span))
        return tree

    def _comparison(self) -> Syntax:
        left, tree = self._sum(), None
        while token := self._take(*_COMPARISONS):
            right = self._sum()
            one = _join(token.text, left, right)
            tree = one if tree is None else _join("and", tree, one)
            left = right
        return left if tree is None else tree

    def _sum(self) -> Syntax:
        tree = self._product()
        while token := self._take("+", "-"):
            tree = _join(token.text, tree, self._product())
        return tree

    def _product(self) -> Syntax:
        tree = self._signed()
        while token := self._take("*", "/"):
            tree = _join(token.text, tree, self._signed())
        return tree

    def _signed(self) -> Syntax:
        signs = []
        while token := self._take("-", "+"):
            signs.append(token)
        tree = self._primary()
        for token in reversed(signs):
            if token.text == "-":
                tree = Operation("-", (tree,), token.span.to(tree.span))
        return tree

    def _primary(self) -> Syntax:
        token = self._next
        self._at += token.kind != "end"
        if token.kind == "number":
            return self._number(token)
        if token.kind == "text":
            return Text(token.text[1:-1], token.span)
        if token.kind == "name":
            return self._call(token) if self._take("(") else Name(token.text, token.span)
        if token.kind == "symbol" and token.text == "(":
            tree = self.either()
            self._expect(")", "to close the bracket")
            return tree
        raise self._source.error("a number, a name or a bracket was expected", token.span)

    def _number(self, token: Token) -> Number:
        value = float(token.text)
        if not math.isfinite(value):
            raise self._source.error("a number must be finite", token.span)
        return Number(value, token.text.isdigit(), token.span)

    def _call(self, name: Token) -> Call:
        arguments: list[Syntax] = []
        end = self._take(")")
        while end is None:
            arguments.append(self.either())
            end = self._take(")")
            if end is None:
                self._expect(",", f"or ')' after an argument of {name.text}")
        return Call(name.text, tuple(arguments), name.span.to(end.span))


def _join(operator: str, left: Syntax, right: Syntax) -> Operation:
    span = Span(left.span.start, right.span.end)
    return Operation(operator, (left, right), span)
