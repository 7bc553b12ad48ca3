"""How many requests a minute the API takes from one person or one token, in each process."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

WINDOW = 60


class Throttle(BaseThrottle):
    """Counted by the minute of the clock, so that a count is one number, however high the rate."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not settings.Z4J_API_RATE:
            return True
        who = getattr(request.auth, "pk", None) or getattr(request.user, "pk", None) or self.get_ident(request)
        key = f"api-rate:{who}:{int(time.time() // WINDOW)}"
        cache.add(key, 0, 2 * WINDOW)
        return bool(cache.incr(key) <= settings.Z4J_API_RATE)

    def wait(self) -> float:
        return WINDOW - time.time() % WINDOW
