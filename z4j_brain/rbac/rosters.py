"""Who belongs to a project and what they hold there, for whoever may know."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone

from z4j_brain.rbac import access, queries
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.granted import Grant, Group, Invitation
from z4j_brain.rbac.models import Environment, Membership, Project, Token, User
from z4j_brain.rbac.states import InstancePermission, Permission


def project(actor: Actor, slug: str) -> Project:
    """The project, for whoever sees the whole of it; Http404 for whoever sees none of it."""
    found = queries.projects(actor).filter(slug=slug).first()
    if found is None:
        raise Http404
    return found


def environment(place: Project, slug: str | None, actor: Actor) -> Environment | None:
    """The environment of the project that the actor names; Http404 when they see none by this name."""
    if not slug:
        return None
    return queries.environment(actor, place.slug, slug)


def members(actor: Actor, place: Project) -> QuerySet[Membership]:
    """The members of the project and of the environments that the actor sees."""
    seen = Q(environment=None) if access.decide(actor, Permission.VIEW, place).allow else Q(pk__in=[])
    seen |= Q(environment__in=access.environments(actor).values("pk"))
    rows = Membership.objects.filter(seen, project=place).select_related("user", "environment")
    return rows.order_by("user__username", "environment__slug")


def invitations(actor: Actor, place: Project) -> QuerySet[Invitation]:
    """Those that are open, for whoever manages members there."""
    rows = Invitation.objects.filter(project=place, accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
    return _managed(actor, place, rows.select_related("project", "environment__project", "invited_by"))


def grants(actor: Actor, place: Project) -> QuerySet[Grant]:
    """Those in force, for whoever manages members there or reads the whole audit trail."""
    rows = Grant.objects.filter(Grant.in_force(), project=place)
    return _managed(actor, place, rows.select_related("user", "group", "token", "project", "environment__project"))


def service_tokens(actor: Actor, place: Project) -> QuerySet[Token]:
    rows = Token.objects.filter(user=None, project=place)
    return _managed(actor, place, rows.select_related("project", "environment__project"))


def people(actor: Actor) -> QuerySet[User]:
    """Everybody, for an instance administrator; else the members of what the actor sees, and themselves."""
    rows = User.objects.order_by("username")
    if access.decide(actor, InstancePermission.MANAGE_INSTANCE, access.INSTANCE).allow:
        return rows
    whole = access.scope(Project.objects.all(), actor)
    memberships = Membership.objects.filter(project__in=whole.values("pk")).filter(
        Q(environment=None) | Q(environment__in=access.environments(actor).values("pk"))
    )
    return rows.filter(Q(pk__in=memberships.values("user")) | Q(pk=actor.user.pk if actor.user else None))


def person(actor: Actor, pk: UUID) -> User:
    found = people(actor).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def by_name(username: str) -> User | None:
    """For use behind a decision: it asks for no actor."""
    return User.objects.filter(username=username).first()


def groups(actor: Actor) -> QuerySet[Group]:
    queries.require(actor, InstancePermission.MANAGE_INSTANCE, access.INSTANCE)
    return Group.objects.prefetch_related("members__user")


def group_by_name(name: str) -> Group | None:
    """For use behind a decision: it asks for no actor."""
    return Group.objects.filter(name=name).first()


def invitation_of(link: str) -> Invitation | None:
    """The open invitation behind a link: whoever has it may read it."""
    rows = Invitation.objects.filter(link_hash=Invitation.digest(link)).select_related("project", "environment")
    found = rows.first()
    return found if found is not None and found.is_open else None


def _managed(actor: Actor, place: Project, rows: QuerySet[Any]) -> QuerySet[Any]:
    """All of the project's rows for who manages it; those of the environments that they manage; nothing else."""
    if _manages(actor, place):
        return rows
    managed = [one.pk for one in access.environments(actor).filter(project=place) if _manages(actor, one)]
    return rows.filter(environment__in=managed)


def _manages(actor: Actor, place: Project | Environment) -> bool:
    held = access.permissions(actor, place)
    return Permission.MANAGE_MEMBERS in held or Permission.VIEW_AUDIT in held
