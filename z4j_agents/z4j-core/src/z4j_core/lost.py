"""Whether the answer of a broker was lost: what had been sent may have come to it all the same."""

from __future__ import annotations

from typing import Final

#: What drivers call their own errors of a connection, in the name of the error or of what it is derived from. None of
#: them is imported here.
_WORDS: Final = ("Connection", "Timeout", "OperationalError", "InterfaceError")
#: Errors that were raised from others: as many of them are looked at.
_DEPTH: Final = 8


def is_lost(error: BaseException) -> bool:
    """Its kind, or that of an error it was raised from, tells of a connection, of a time limit or of the system."""
    found: BaseException | None = error
    for _ in range(_DEPTH):
        if found is None:
            return False
        names = [kind.__name__ for kind in type(found).__mro__]
        if isinstance(found, (OSError, EOFError)) or any(word in name for name in names for word in _WORDS):
            return True
        found = found.__cause__ or found.__context__
    return False
