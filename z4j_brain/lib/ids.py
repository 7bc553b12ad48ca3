"""Identifiers: those that sort by time, and those of rows as people write them."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable

#: Of the largest id of a row there are 19.
_DIGITS = 19


def uuid7() -> uuid.UUID:
    """A version 7 UUID (RFC 9562): milliseconds since the epoch, 12 bits of their fraction (method 3), then chance.

    Two that one process makes one after the other sort in that order, unless they fall into the same 244 ns.
    """
    millis, rest = divmod(time.time_ns(), 1_000_000)
    value = (millis << 80) | ((rest * 4096 // 1_000_000) << 64) | int.from_bytes(os.urandom(8), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


def numbers(ids: Iterable[str]) -> list[int]:
    """Those of the ids that a row can have, in their order: who locks rows so never waits for somebody who waits."""
    return sorted(int(pk) for pk in ids if pk.isascii() and pk.isdigit() and len(pk) < _DIGITS)
