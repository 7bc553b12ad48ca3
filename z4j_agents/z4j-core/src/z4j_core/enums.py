"""Enumerations of text, alike on every Python we run on."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from enum import StrEnum
else:
    from enum import Enum

    class StrEnum(str, Enum):
        """As Python 3.11 has it: a member is its text."""

        __str__ = str.__str__


__all__ = ["StrEnum"]
