"""Approvals that end because nobody is left to give them: one person alone does not do that without being heard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import Q

from z4j_brain.rbac import access, approvals, electors, policies
from z4j_brain.rbac.action import Record
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.granted import Group
from z4j_brain.rbac.models import Environment, Project, User
from z4j_brain.rbac.states import ApprovalState, Permission

Where = Project | Environment | User | Group


@contextmanager
def told(where: Where, action: str, actor: Actor, reason: str, record: Record) -> Iterator[None]:
    """Where approvals work before what is done in here and no more after it, every page says so for a day, as of a
    broken glass: unless a second person has agreed. `where`: or who or which group is concerned, wherever they approve.
    """
    before = [] if record.is_agreed else [one for one in _environments(where) if _works(one)]
    yield
    for environment in before:
        if not _works(environment):
            _alarm(environment, where, action, actor, reason)
            record.nudge(environment.pk, "approval")


def _environments(where: Where) -> list[Environment]:
    if isinstance(where, Environment):
        return [where]
    if isinstance(where, Project):
        return list(where.environments.select_related("project"))
    if isinstance(where, Group):
        given = electors.allowed_to(where)
        here = Q(grants__in=given) | Q(project__grants__in=given.filter(environment=None))
        return list(Environment.objects.filter(here).select_related("project").distinct())
    return list(access.environments(Actor.of_user(where), Permission.APPROVE))


def _works(environment: Environment) -> bool:
    policy = policies.of(environment)
    return bool(policy.rules) and policies.standing(environment, policy).is_active


def _alarm(environment: Environment, where: Where, action: str, actor: Actor, reason: str) -> None:
    row = approvals.begin(
        environment,
        actor,
        action=action,
        rule="",
        policy=policies.of(environment),
        target=(type(where).__name__.lower(), str(where.pk)),
        digest="",
        reason=reason,
    )
    said = f"{reason.rstrip('.')}. " if reason else ""
    approvals.close(row, ApprovalState.BROKEN, actor, f"{said}Too few people are left to approve anything here.")
