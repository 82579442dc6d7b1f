"""Expression text to tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gradus_train.features.language.source_text import Source, Span

__all__ = ["MAX_LENGTH", "Token", "tokenize"]

MAX_LENGTH = 5_000
_KEYWORDS = ("and", "or", "not")
_TOKEN = re.compile(
    r"""(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![A-Za-z_.]))
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<text>"[^"]*"|'[^']*')
      | (?P<symbol><=|>=|==|!=|[-+*/()<>,])""",
    re.VERBOSE | re.ASCII,
)
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Token:
    """A token: `kind` is "number", "name", "text", "symbol" or "end"; keywords are symbols."""

    kind: str
    text: str
    span: Span


def tokenize(source: Source) -> list[Token]:
    """Split an expression; the last token is of kind "end".

    Raises:
        ConfigError: The text is too long, or holds a character that no token begins with.
    """
    text = source.text
    if len(text) > MAX_LENGTH:
        raise source.error(f"an expression must have at most {MAX_LENGTH:,} characters", Span(0, 20))
    tokens = []
    at = _after_space(text, 0)
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise source.error(
                "an expression holds numbers, names, operators, commas and brackets",
                Span(at, at + 1),
                "Operators: + - * / < <= > >= == != and or not.",
            )
        kind = str(found.lastgroup)
        kind = "symbol" if found.group() in _KEYWORDS else kind
        tokens.append(Token(kind, found.group(), Span(at, found.end())))
        at = _after_space(text, found.end())
    return [*tokens, Token("end", "", Span(len(text), len(text)))]


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
