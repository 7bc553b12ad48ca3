"""The shop, with the adapter of its engine as users have it; that of its scheduler is found by itself."""

from __future__ import annotations

import z4j_huey
from shop import huey

z4j_huey.attach(huey)

__all__ = ["huey"]
