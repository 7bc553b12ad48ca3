"""The names of logs and of the keys that sign them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings

_NOT_IN_NAMES = re.compile(r"[\s+]")


def of_generation(generation: int) -> str:
    """The name of a log that begins now. A log keeps the name that it began with."""
    return f"{_place()}/{generation}"


def recovery() -> str:
    """The name of the recovery key."""
    return f"{_place()}/recovery"


def _place() -> str:
    host = _NOT_IN_NAMES.sub("-", urlsplit(settings.Z4J_URL).netloc) or "z4j"
    return f"{host}/z4j/audit"
