"""JSON read strictly: bounded size and depth, no duplicate keys, no NaN, nothing after the value."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from gradus_runtime.errors import GradusError, ManifestError

__all__ = ["MAX_BYTES", "canonical_bytes", "parse", "same"]

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
_STRING = r'"(?:[^"\\]|\\.)*+"?'  # an unclosed one too: linear whatever comes
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ZEROS = bytes.maketrans(b"E123456789", b"e000000000")
_LARGE = (b"e000", b"0" * 20)  # after `_ZEROS`: an exponent of 100 or more, an integer of 20 digits


def parse(
    data: bytes, *, place: str, max_bytes: int = MAX_BYTES, error: type[GradusError] = ManifestError
) -> Any:
    """Parse UTF-8 JSON bytes, or refuse.

    Args:
        data: The whole file.
        place: How errors name the file.
        max_bytes: Refused above this size.
        error: The type of error to raise.

    Raises:
        GradusError: Of type `error`: oversize, not UTF-8, not JSON, nested deeper than 32, a duplicate key,
            NaN or Infinity, or a number out of range.
    """
    if len(data) > max_bytes:
        raise error(f"a file must be at most {max_bytes} bytes", place=place, value=len(data))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise error("a file must be UTF-8", place=place, cause=str(e)) from None
    # Nearly no file has an escaped character: then no regular expression is compiled.
    bare = re.sub(_STRING, "", text, flags=re.DOTALL) if "\\" in text else "".join(text.split('"')[::2])
    _check_depth(bare, place, error)
    zeros = bare.encode().translate(_ZEROS, b"+")
    large = any(pattern in zeros for pattern in _LARGE)  # only then is every number looked at by Python

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    raise error("a key must occur once", place=place, value=key)
                seen.add(key)
        return result

    def refuse(token: str) -> NoReturn:
        raise error("a number must be finite", place=place, value=token)

    def to_float(token: str) -> float:
        number = float(token)
        if number in (float("inf"), float("-inf")):
            refuse(token)
        return number

    def to_int(token: str) -> int:
        if len(token) > 20:
            raise error("an integer must have at most 20 digits", place=place, value=token)
        return int(token)

    try:
        return json.loads(
            text,
            object_pairs_hook=pairs,
            parse_constant=refuse,
            parse_float=to_float if large else None,
            parse_int=to_int if large else None,
        )
    except json.JSONDecodeError as e:
        raise error("a file must be JSON", place=f"{place}:{e.lineno}:{e.colno}", cause=e.msg) from None


def _check_depth(bare: str, place: str, error: type[GradusError]) -> None:
    depth = 0
    for bracket in bare.encode().translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise error(f"JSON must be nested at most {MAX_DEPTH} deep", place=place)


def canonical_bytes(value: object) -> bytes:
    """Serialise to the one canonical form: sorted keys, two spaces, ASCII, a final newline.

    Floats are written by `repr`, the shortest text that reads back as the same float64.
    """
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode()


def same(one: object, other: object) -> bool:
    """Whether two values have the same canonical bytes: 1 is not 1.0, and the order of keys does not matter.

    Without the line breaks, `json` writes ten times as fast.
    """
    return _one_line(one) == _one_line(other)


def _one_line(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)
