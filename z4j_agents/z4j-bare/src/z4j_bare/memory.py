"""What this process takes of the machine."""

from __future__ import annotations

import os

_PAGE = os.sysconf("SC_PAGE_SIZE")


def rss() -> int | None:
    """Bytes of memory that are in use by this process. None where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as facts:
            return int(facts.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return None
