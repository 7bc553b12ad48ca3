from __future__ import annotations

from z4j_core.asked import redact
from z4j_core.registered import idempotent

__all__ = ["idempotent", "redact"]
