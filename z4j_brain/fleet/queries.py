"""The workers of an environment and what runs on them."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone

from z4j_brain.agents.states import SILENT_AFTER
from z4j_brain.fleet.models import Worker
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment


def workers(actor: Actor, environment: Environment) -> QuerySet[Worker]:
    return rbac.within(Worker.objects.select_related("agent"), actor, environment)


def detail(actor: Actor, environment: Environment, pk: int) -> Worker:
    found = workers(actor, environment).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def by_name(actor: Actor, environment: Environment, engine: str, name: str) -> Worker | None:
    """The worker that a task names as its own."""
    return workers(actor, environment).filter(engine=engine, name=name).first()


def online(actor: Actor, environment: Environment) -> QuerySet[Worker]:
    """Workers heard within the last minute."""
    since = timezone.now() - SILENT_AFTER
    return workers(actor, environment).filter(offline_at=None, heartbeat_at__gte=since)
