"""The trace that a task belongs to, as the W3C's Trace Context says it beside a message."""

from __future__ import annotations

import re
from typing import Final

#: The header, as whoever propagates traces writes it.
NAME: Final = "traceparent"
#: version, trace id, span id, flags; later versions may have more behind them.
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def trace_id(header: object) -> str | None:
    """The id of the trace, 32 hexadecimal digits; None for what is no such header."""
    found = _FORM.fullmatch(header) if isinstance(header, str) and len(header) <= 512 else None
    return found[1] if found else None
