"""Whole numbers, as people and agents write them."""

from __future__ import annotations


def whole(text: str, most: int) -> int | None:
    """The number that at most so many digits are; None for any other text.

    `int` alone takes more: signs, blanks, underscores, the digits of other scripts, and texts that cost it minutes.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= most else None
