"""The filters of the lists of workers, queues and registered tasks: over the API, and of operations on them."""

from __future__ import annotations

from z4j_brain.fleet.models import Queue, Registered, Worker
from z4j_brain.lib.listing import StrictFilterSet


class WorkerFilter(StrictFilterSet):
    class Meta:
        model = Worker
        fields = dict.fromkeys(("name", "engine", "host"), ["exact", "in"]) | {
            "heartbeat_at": ["gte", "gt", "lte", "lt"]
        }


class QueueFilter(StrictFilterSet):
    class Meta:
        model = Queue
        fields = dict.fromkeys(("name", "engine"), ["exact", "in"]) | {
            "depth": ["gte", "gt", "lte", "lt"],
            "dead": ["gte", "gt", "lte", "lt"],
            "measured_at": ["gte", "gt", "lte", "lt"],
        }


class RegisteredFilter(StrictFilterSet):
    class Meta:
        model = Registered
        fields = dict.fromkeys(("name", "engine"), ["exact", "in"])
