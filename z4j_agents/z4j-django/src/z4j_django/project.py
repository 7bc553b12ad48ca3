"""What the project's settings say, and which adapters are about Django itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from django.conf import settings
from z4j_core.engine import ENGINE_GROUP


def is_usable() -> bool:
    """Whether Z4J is a dictionary, or is not there."""
    return isinstance(getattr(settings, "Z4J", None) or {}, Mapping)


def given() -> dict[str, Any]:
    """The settings, as `z4j_bare.configure` takes them. Empty when they are not usable."""
    found = getattr(settings, "Z4J", None) or {}
    return {str(name): value for name, value in found.items()} if isinstance(found, Mapping) else {}


def engines_of_django() -> list[str]:
    """Engines whose adapter needs Django, or something made for it. No import tells whether the project uses them: they
    are part of Django, and their adapters ask its settings.
    """
    return [
        found.name
        for found in entry_points(group=ENGINE_GROUP)
        if found.dist and any(re.match(r"django\b", needed, re.IGNORECASE) for needed in found.dist.requires or ())
    ]
