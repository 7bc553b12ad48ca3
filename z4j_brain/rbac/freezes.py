"""Times in which an environment is left alone: which are set, which hold, and what they say to whoever asks."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.lib import words
from z4j_brain.rbac import access
from z4j_brain.rbac.access import Decision
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment, Freeze
from z4j_brain.rbac.states import Permission

#: What a freeze may except: one task, put right by hand.
SINGLE = frozenset({"task.retry", "task.cancel"})
#: The rule that a refusal names.
FROZEN = "frozen"
LONGEST = timedelta(days=92)


def set_in(environment: Environment) -> QuerySet[Freeze]:
    """Those that hold or will, the first to begin first. For use behind a decision."""
    now = timezone.now()
    return Freeze.objects.filter(environment=environment, ended_at=None, ends_at__gt=now).order_by("starts_at")


def on(environment: Environment) -> QuerySet[Freeze]:
    """Those that hold now, the last to end first."""
    return set_in(environment).filter(starts_at__lte=timezone.now()).order_by("-ends_at")


def over(environment: Environment, action: str, number: int = 1) -> Freeze | None:
    """The freeze that forbids this action on so many targets now."""
    for freeze in on(environment):
        is_meant = not freeze.actions or action in freeze.actions
        if is_meant and not (freeze.single and number == 1 and action in SINGLE):
            return freeze
    return None


def refusal(freeze: Freeze) -> Decision:
    until = words.day(timezone.localtime(freeze.ends_at), "d M Y H:i T")
    said = gettext("Frozen until %(moment)s by %(name)s: %(reason)s. An owner can break the glass.")
    told = {"moment": until, "name": freeze.set_by_name, "reason": freeze.reason.rstrip(".")}
    return Decision(False, True, FROZEN, said % told)


def all_of(actor: Actor, environment: Environment) -> QuerySet[Freeze]:
    """All of an environment that the actor sees, over or not."""
    if not access.decide(actor, Permission.VIEW, environment).allow:
        return Freeze.objects.none()
    return Freeze.objects.filter(environment=environment)


def past(environment: Environment, limit: int = 20) -> QuerySet[Freeze]:
    """Those that are over, the newest first. For use behind a decision."""
    over = Q(ends_at__lte=timezone.now()) | Q(ended_at__isnull=False)
    return Freeze.objects.filter(over, environment=environment).order_by("-starts_at")[:limit]
