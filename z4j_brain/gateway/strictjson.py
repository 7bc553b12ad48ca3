"""JSON from strangers: what the standard library lets pass and a store does not, refused with a code.

Three ways, fast to slow. Text that orjson writes back byte for byte has no duplicate key, no number it had to bend and
no broken character. Other text goes through the standard library with hooks that refuse. When that refuses, `split`
finds the elements of an array by quotes and brackets alone, so that one bad element does not take the others with it.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import orjson

MAX_INT = 2**63 - 1
#: Structure characters a body may hold before it is called a bomb: 500 events of 2,000 nodes.
MAX_TOKENS = 4_000_000

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
_MEMBER = re.compile(rb'\s*("(?:[^"\\]++|\\.)*+")\s*:(.*)', re.DOTALL)


class Flaw(ValueError):
    """The text cannot be taken. `code` says why, in one word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def loads(raw: bytes) -> Any:
    """The value of `raw`. Raises Flaw; nothing else, whatever it is given."""
    value = loads_exact(raw)
    return loads_strict(raw) if value is None else value


def loads_exact(raw: bytes) -> Any:
    """The value of `raw` if it is written just as orjson writes it; None says nothing about it."""
    try:
        value = orjson.loads(raw)
        return value if orjson.dumps(value) == raw else None
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        return None


def loads_strict(raw: bytes) -> Any:
    """The value of `raw`, by the standard library. Strings may still hold lone surrogates and control characters."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Flaw("utf8") from error
    try:
        return _DECODER.decode(text)
    except Flaw:
        raise
    except RecursionError as error:
        raise Flaw("too_deep") from error
    except ValueError as error:
        raise Flaw("malformed") from error


def members(raw: bytes) -> dict[str, bytes]:
    """The members of an object, their values unread. Raises Flaw."""
    found: dict[str, bytes] = {}
    for piece in split(raw, b"{", b"}"):
        match = _MEMBER.fullmatch(piece)
        if match is None:
            raise Flaw("malformed")
        name = loads_strict(match[1])
        if name in found:
            raise Flaw("duplicate_key")
        found[name] = match[2].strip()
    return found


def split(raw: bytes, opening: bytes = b"[", closing: bytes = b"]") -> list[bytes]:
    """The elements of an array (or object), unread. Raises Flaw when quotes or brackets do not balance."""
    raw = raw.strip()
    if not (raw.startswith(opening) and raw.endswith(closing)):
        raise Flaw("malformed")
    pieces, depth, start, last = [], 0, 1, len(raw) - 1
    for count, match in enumerate(_TOKEN.finditer(raw)):
        token, at = raw[match.start()], match.start()
        if count > MAX_TOKENS or (len(match[0]) == 1 and token == _QUOTE):
            raise Flaw("malformed")
        if token in _OPENING:
            depth += 1
        elif token in _CLOSING:
            depth -= 1
        if (depth == 1 and token == _COMMA) or depth == 0:
            pieces.append(raw[start:at])
            start = at + 1
        if depth == 0 and at != last:
            raise Flaw("malformed")
    if depth != 0:
        raise Flaw("malformed")
    return [] if len(pieces) == 1 and not pieces[0].strip() else pieces


_QUOTE, _COMMA, _OPENING, _CLOSING = ord('"'), ord(","), frozenset(b"[{"), frozenset(b"]}")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Flaw("duplicate_key")
    return found


def _whole(text: str) -> int:
    if len(text) > 20 or not -MAX_INT <= (number := int(text)) <= MAX_INT:
        raise Flaw("number")
    return number


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Flaw("number")
    return number


def _constant(text: str) -> NoReturn:
    raise Flaw("number")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_whole, parse_float=_real, parse_constant=_constant)
