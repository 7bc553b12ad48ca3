"""A process that only enqueues: through which queue it can be asked and tried."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import cast

import rq
from z4j_core.engine import Advice
from z4j_core.safety import guard


def known_queue() -> rq.Queue | None:
    """The first queue of a Django project, or one that a module here holds. Opens no connection."""
    with guard("rq.producer"):
        for module in list(sys.modules.values()):
            for value in list(getattr(module, "__dict__", {}).values()):
                # Not isinstance, which would wake what is lazy.
                if issubclass(type(value), rq.Queue):
                    return cast(rq.Queue, value)
        django_rq = sys.modules.get("django_rq")
        if django_rq is not None:
            return cast(rq.Queue, django_rq.get_queue(next(iter(_django("RQ_QUEUES")))))
    return None


def advice() -> Iterable[Advice]:
    """On workers that a Django project will start."""
    if "django_rq" in sys.modules and not str(_django("RQ").get("WORKER_CLASS", "")).startswith(__package__ or ""):
        yield Advice(
            "unwatched-workers",
            "The workers of django-rq are RQ's own: of their jobs only what this project enqueues is seen.",
            'Set RQ = {"WORKER_CLASS": "z4j_rq.Worker"}, unless yours mixes z4j_rq.Watched in.',
        )


def _django(name: str) -> dict[str, object]:
    return getattr(sys.modules["django.conf"].settings, name, None) or {}
