"""Rules, channels, alerts and messages of an environment, for who sees all that is in it: a rule counts all of it."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Count, Model, Q, QuerySet
from django.http import Http404

from z4j_brain.alerts.models import Alert, Channel, Delivery, Rule, Window
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

Row = TypeVar("Row", bound=Model)
#: Channels that one environment has at most, its project's included, and rules.
MOST = 200


def rules(actor: Actor, environment: Environment) -> QuerySet[Rule]:
    """Each with how many alerts of it go on."""
    rows = _within(Rule.objects.select_related("environment__project"), actor, environment)
    return rows.prefetch_related("channels").annotate(going_on=Count("alerts", filter=Q(alerts__ended_at=None)))


def channels(actor: Actor, environment: Environment) -> QuerySet[Channel]:
    """Those of the environment, and those of its whole project."""
    rbac.require_everything(actor, environment)
    here = Q(environment=environment) | Q(environment=None)
    return Channel.objects.select_related("project", "environment__project").filter(here, project=environment.project)


def windows(actor: Actor, environment: Environment) -> QuerySet[Window]:
    """When nobody is told."""
    rows = _within(Window.objects.select_related("environment__project"), actor, environment)
    return rows.prefetch_related("rules")


def alerts(actor: Actor, environment: Environment) -> QuerySet[Alert]:
    return _within(Alert.objects.all(), actor, environment)


def deliveries(actor: Actor, environment: Environment) -> QuerySet[Delivery]:
    rows = Delivery.objects.select_related("channel", "alert", "environment__project").defer("body")
    return _within(rows, actor, environment)


def one(rows: QuerySet[Row], pk: int) -> Row:
    """One of `rows`, which are the actor's."""
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _within(rows: QuerySet[Row], actor: Actor, environment: Environment) -> QuerySet[Row]:
    rbac.require_everything(actor, environment)
    return rbac.within(rows, actor, environment)
