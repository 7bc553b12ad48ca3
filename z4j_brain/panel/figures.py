"""What Prometheus scrapes: figures of every environment that whoever asks sees as a whole.

Names and units follow Prometheus' own conventions. Labels are bounded: projects, environments, engines, queues and
states, never a task's name or id. A series is there while its queue or worker is.

Counters count since the first of the month (UTC) and begin anew with the next one, which Prometheus takes for what it
is: a counter that was reset. So they are the same in every process of a brain, and across restarts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version

from django.utils import timezone
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from z4j_brain.agents import queries as agents
from z4j_brain.agents.states import Presence
from z4j_brain.fleet import queries as fleet
from z4j_brain.ledger.health import health
from z4j_brain.operations import queries as operations
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.stats import histogram
from z4j_brain.stats import queries as stats
from z4j_brain.stats.spans import Span

PLACE = ["project", "environment"]
QUEUE = [*PLACE, "engine", "queue"]
#: Upper bounds of what durations are sorted into, seconds.
BOUNDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600)
#: Environments, and queues and workers of each, that one scrape tells of.
PLACES, EACH = 100, 1_000


class Figures:
    """A collector: what one actor sees now."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._now = timezone.now()

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("z4j_build", "The release of the brain.", {"version": version("z4j")})
        seen = access.environments(self._actor).select_related("project").order_by("project__slug", "slug")[:PLACES]
        places = [place for place in seen if rbac.sees_everything(self._actor, place)]
        yield from self._tasks(places)
        yield from self._queues(places)
        yield from self._workers(places)
        yield from self._agents(places)
        yield self._operations(places)
        yield from _log()

    def _tasks(self, places: Iterable[Environment]) -> Iterator[Metric]:
        events = CounterMetricFamily("z4j_task_events", "Tasks that arrived or ended.", labels=[*QUEUE, "state"])
        run = HistogramMetricFamily("z4j_task_runtime_seconds", "How long the last run took.", labels=QUEUE)
        wait = HistogramMetricFamily("z4j_task_wait_seconds", "How long the last run had waited.", labels=QUEUE)
        month = self._now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for place in places:
            for group in stats.by_queue(place.pk, Span.whole(month, self._now)).groups:
                labels = [*_named(place), group.engine, group.key]
                for state, count in {"arrived": group.totals.arrived, **group.totals.ends}.items():
                    if count:
                        events.add_metric([*labels, state], count)
                _add(run, labels, group.totals.runtimes, group.totals.run_ms / 1000)
                _add(wait, labels, group.totals.waits)
        yield from (events, run, wait)

    def _queues(self, places: Iterable[Environment]) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("z4j_queue_messages", "Messages that wait in a queue.", labels=QUEUE)
        dead = GaugeMetricFamily("z4j_queue_dead_letters", "Messages that the engine gave up.", labels=QUEUE)
        oldest = GaugeMetricFamily(
            "z4j_queue_oldest_message_age_seconds", "Since when the oldest message waits.", labels=QUEUE
        )
        for place in places:
            for queue in fleet.queues(self._actor, place).order_by("pk")[:EACH]:
                labels = [*_named(place), queue.engine, queue.name]
                waiting.add_metric(labels, queue.depth)
                if queue.dead is not None:
                    dead.add_metric(labels, queue.dead)
                if queue.oldest_at is not None:
                    oldest.add_metric(labels, self._age(queue.oldest_at))
        yield from (waiting, dead, oldest)

    def _workers(self, places: Iterable[Environment]) -> Iterator[Metric]:
        workers = GaugeMetricFamily("z4j_workers", "Workers.", labels=[*PLACE, "engine", "state"])
        slots = GaugeMetricFamily("z4j_worker_slots", "Tasks they can run at once.", labels=[*PLACE, "engine", "state"])
        for place in places:
            counted, used = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
            for worker in fleet.workers(self._actor, place).order_by("-heartbeat_at")[:EACH]:
                counted[worker.engine, worker.state.value] += 1
                if worker.state == Presence.ONLINE:
                    busy = len(worker.running)
                    used.update({(worker.engine, "busy"): busy, (worker.engine, "idle"): worker.size - busy})
            for family, found in ((workers, counted), (slots, used)):
                for labels, number in sorted(found.items()):
                    family.add_metric([*_named(place), *labels], number)
        yield from (workers, slots)

    def _agents(self, places: Iterable[Environment]) -> Iterator[Metric]:
        answering = GaugeMetricFamily("z4j_agents", "Agents that answer.", labels=PLACE)
        behind = GaugeMetricFamily("z4j_agent_spooled_events", "Events that agents still have to send.", labels=PLACE)
        for place in places:
            answering.add_metric(_named(place), agents.answering(place).count())
            behind.add_metric(_named(place), agents.behind(place)[1])
        yield from (answering, behind)

    def _operations(self, places: Iterable[Environment]) -> Metric:
        going = GaugeMetricFamily("z4j_operations", "Operations that have not ended.", labels=[*PLACE, "state"])
        for place in places:
            for state, number in operations.going(place).items():
                going.add_metric([*_named(place), state], number)
        return going

    def _age(self, since: datetime) -> float:
        return max((self._now - since).total_seconds(), 0.0)


def _log() -> Iterator[Metric]:
    """Of the audit log of the whole instance."""
    found = health()
    yield GaugeMetricFamily("z4j_audit_chain_valid", "Whether the log is the one that was signed.", found.dispatches)
    yield GaugeMetricFamily("z4j_audit_entries_unsealed", "Entries that wait for their seal.", found.unsealed)
    lag = found.lag.total_seconds()
    yield GaugeMetricFamily("z4j_audit_seal_lag_seconds", "For how long the oldest of them has waited.", lag)


def _named(place: Environment) -> list[str]:
    return [place.project.slug, place.slug]


def _add(family: HistogramMetricFamily, labels: list[str], texts: str, seconds: float | None = None) -> None:
    """A histogram of ours in the slots of Prometheus; a duration is told by its slot, 10 % off at most."""
    slots = histogram.merged(texts)
    if not slots:
        return
    told = sorted((histogram.middle(number) / 1_000_000, count) for number, count in slots.items())
    buckets = [(str(float(bound)), sum(count for middle, count in told if middle <= bound)) for bound in BOUNDS]
    total = sum(middle * count for middle, count in told) if seconds is None else seconds
    family.add_metric(labels, [*buckets, ("+Inf", sum(slots.values()))], total)
