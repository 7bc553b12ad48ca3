"""Canonical JSON: one byte string for one value, so that what is hashed or signed can be compared byte for byte."""

from __future__ import annotations

import json
from typing import Any

MAX_INT = 2**53


def encode(obj: Any) -> bytes:
    """Sorted ASCII keys, tight separators, ASCII output. Raises ValueError for floats and integers from 2**53 on."""
    _check(obj)
    return json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _check(obj: Any) -> None:
    match obj:
        case None | bool() | str():
            return
        case int():
            if abs(obj) >= MAX_INT:
                raise ValueError(f"{obj} is too large for canonical JSON.")
        case list() | tuple():
            for part in obj:
                _check(part)
        case dict():
            for key, value in obj.items():
                if not isinstance(key, str) or not key.isascii():
                    raise ValueError(f"{key!r} is no key of canonical JSON: keys are ASCII text.")
                _check(value)
        case _:
            raise ValueError(f"{type(obj).__name__} has no canonical form.")
