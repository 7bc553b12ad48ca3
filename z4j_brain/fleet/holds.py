"""A queue that people want paused stays so: workers that come to it later are told, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from django.utils import timezone

from z4j_brain.fleet import actions, queries
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.fleet.targets import offer_of
from z4j_brain.fleet.verbs import ONLY, PAUSE
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import queries as operations
from z4j_brain.rbac.actor import SYSTEM

#: How soon a worker is told again, as long as it does not say that it has paused.
PATIENCE = timedelta(minutes=1)
#: Whoever was told so often within so long, and does not pause, is not told again before that time has passed.
OFTEN, LONG = 3, timedelta(hours=1)
#: Queues that one round takes in.
ROUND = 100


def keep(now: datetime | None = None) -> None:
    """Tell each worker that takes from a paused queue, and has not paused it, to do so."""
    since = (now or timezone.now()) - PATIENCE
    paused = Queue.objects.filter(paused_at__isnull=False, paused_at__lte=since).select_related("environment__project")
    for queue in paused.order_by("pk")[:ROUND]:
        if missing := sorted(worker.pk for worker in _missing(queue, since)):
            reason = f"{queue.name} is paused by {queue.paused_by}, and this worker takes from it."
            with suppress(Problem):  # somebody has resumed it while we looked
                actions.pause(queue.environment, [queue.pk], {ONLY: missing}, {}, actor=SYSTEM, reason=reason)


def _missing(queue: Queue, since: datetime) -> Iterator[Worker]:
    """Who answers, takes from it, could pause, and was not told of late."""
    told = operations.told(queue.environment, PAUSE.name, str(queue.pk), since)
    told |= operations.told(queue.environment, PAUSE.name, str(queue.pk), since - LONG, often=OFTEN)
    for worker in queries.answering(queue.environment):
        takes = worker.engine == queue.engine and queue.name in worker.queues and queue.name not in worker.paused
        if takes and str(worker.pk) not in told and offer_of(worker, PAUSE.asks).allowed:
            yield worker
