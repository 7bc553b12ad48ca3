"""Identifiers: those that sort by time, and those of rows as people write them."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable

from z4j_brain.lib.digits import whole

#: The largest id of a row has one more, which not all that have so many can be.
_DIGITS = 18


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
    return sorted(number for pk in ids if (number := whole(pk, _DIGITS)) is not None)
