"""What somebody may see of the tenancy: projects, environments, tokens; and the way in to everything inside one."""

from __future__ import annotations

import time
from datetime import date, datetime
from typing import TypeVar

from django.db.models import Model, Prefetch, Q, QuerySet
from django.http import Http404
from django.utils.translation import gettext

from z4j_brain.rbac import access, retention
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment, Membership, Project, Sweep, Token
from z4j_brain.rbac.states import InstancePermission, Permission, Role

Row = TypeVar("Row", bound=Model)

#: By environment: until when it is believed, the days events are kept for, and the first day that no sweep has touched.
_kept: dict[int, tuple[float, int, date | None]] = {}


def environment(actor: Actor, project: str, slug: str, permission: Permission = Permission.VIEW) -> Environment:
    """The environment at this address. Hidden or absent: Http404, alike. Seen, but `permission` is lacking: Refused."""
    found = access.environments(actor).filter(project__slug=project, slug=slug).first()
    if found is None:
        raise Http404
    if permission != Permission.VIEW:
        require(actor, permission, found)
    return found


def within(
    queryset: QuerySet[Row], actor: Actor, environment: Environment, permission: Permission = Permission.VIEW
) -> QuerySet[Row]:
    """The rows of one environment, none when the actor lacks `permission` there, and those that grants leave.

    Decided once and not joined in, so that the list keeps its one index.
    """
    held = access.permissions(actor, environment)
    if permission not in held:
        return queryset.none()
    columns = getattr(queryset.model, "FACETS", {})
    return queryset.filter(held.condition(columns, permission) if columns else Q(), environment=environment)


def require(actor: Actor, permission: Permission | InstancePermission, target: object) -> None:
    """Http404 when the actor may not know of the target, Refused when they may not do this to it."""
    decision = access.decide(actor, permission, target)
    if not decision.allow and not decision.visible:
        raise Http404
    if not decision.allow:
        raise Refused(decision)


def may(actor: Actor, permission: Permission, target: object) -> bool:
    return access.decide(actor, permission, target).allow


def held(actor: Actor, target: object) -> access.Held:
    """All that the actor may do there."""
    return access.permissions(actor, target)


def sees_everything(actor: Actor, environment: Environment) -> bool:
    """Does the actor see all that is in the environment, whatever its queue and its name?"""
    return access.permissions(actor, environment).sees_everything


def require_everything(actor: Actor, environment: Environment) -> None:
    """Refused where a figure would count what the actor does not see."""
    if not sees_everything(actor, environment):
        reason = gettext("What you may see here is narrowed to some queues or task names, and this counts all of them.")
        raise Refused(access.Decision(False, True, "narrowed", reason))


def projects(actor: Actor) -> QuerySet[Project]:
    """Projects the actor sees any part of, each with the `environments` they see."""
    seen = Prefetch("environments", queryset=access.environments(actor).order_by("slug"))
    return access.scope(Project.objects.all(), actor).prefetch_related(seen)


def tokens(actor: Actor) -> QuerySet[Token]:
    """The actor's own tokens."""
    require(actor, InstancePermission.MANAGE_OWN_TOKENS, actor.user)
    return Token.objects.filter(user=actor.user).select_related("project")


def roles(actor: Actor, environment: Environment) -> list[str]:
    """The labels of the roles that apply to the actor in this environment, as the panel shows them."""
    here = Q(environment=environment) | Q(environment=None)
    held = Membership.objects.filter(here, user=actor.user, project=environment.project)
    return sorted({str(Role(role).label) for role in held.values_list("role", flat=True)})


def kept_since(environment_id: int) -> datetime:
    """What arrived before this moment may be pruned: what is left of it need not be the whole.

    A task that began earlier must not be folded anew from the events that are left. Settings are believed for some
    seconds; the sweep that follows their change waits for longer than that.
    """
    until, days, swept = _kept.get(environment_id, (0.0, 0, None))
    if time.monotonic() >= until:
        days = Environment.objects.values_list("events_days", flat=True).get(pk=environment_id)
        swept = (
            Sweep.objects.filter(environment=environment_id, kind="events").values_list("horizon", flat=True).first()
        )
        _kept[environment_id] = (time.monotonic() + retention.BELIEVED, days, swept)
    first = retention.horizon(days)
    return retention.midnight(max(first, swept) if swept else first)
