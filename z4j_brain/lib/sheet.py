"""Text in a file that may be opened as a spreadsheet."""

from __future__ import annotations

import unicodedata

#: What a spreadsheet takes for a formula, also behind quotes and blanks, and in wide letters.
_FORMULA = ("=", "+", "-", "@")
_BEFORE = " \t\r\n\v\f\"'`\u00a0\u200b\ufeff"


def harmless(text: str) -> str:
    """The text as a spreadsheet shows it and does not run it."""
    bare = unicodedata.normalize("NFKC", text.lstrip(_BEFORE)[:1])
    return f"'{text}" if text[:1] in ("\t", "\r") or bare in _FORMULA else text
