"""What people keep about the list of tasks: views under a name, the one they find first, and their columns."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404

from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import columns
from z4j_brain.tasks.models import FirstView, ListColumns, SavedView

#: Views that one person has in an environment, and that all share there.
MOST = 50


def views(actor: Actor, environment: Environment) -> QuerySet[SavedView]:
    """The actor's own, then those of everybody, by name; `first`: is it the one they find first?

    Names and filters of shared ones may tell of queues and tasks: they are for who sees all that is in the environment.
    """
    whose = Q(owner=actor.user) if actor.user is not None else Q(pk__in=())
    if access.permissions(actor, environment).sees_everything:
        whose |= Q(owner=None)
    first = FirstView.objects.filter(view=OuterRef("pk"), user=actor.user) if actor.user else FirstView.objects.none()
    rows = rbac.within(SavedView.objects.select_related("environment__project"), actor, environment)
    return rows.filter(whose).annotate(first=Exists(first)).order_by("owner", "name", "pk")


def view(actor: Actor, environment: Environment, pk: int) -> SavedView:
    found = views(actor, environment).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def first(found: Iterable[SavedView]) -> SavedView | None:
    """Of the views of somebody, the one they find first."""
    return next((one for one in found if getattr(one, "first", False)), None)


def shown(actor: Actor) -> tuple[str, ...]:
    """The columns of their lists, beside those that all have."""
    kept = ListColumns.objects.filter(user=actor.user).first() if actor.user else None
    return columns.known(kept.shown) if kept else columns.USUAL
