"""What somebody holds in a place: guardian's rows of their memberships, then what grants add and deny.

Everything is looked up in the database. An actor of one request remembers what was found (`Actor.known`), so that a
page with many buttons asks once; any other actor looks anew each time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.db.models import IntegerField, Q, QuerySet, Value
from django.utils import timezone

from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.granted import Grant, GroupMember
from z4j_brain.rbac.models import (
    Environment,
    EnvironmentUserObjectPermission,
    ProjectUserObjectPermission,
    Token,
    User,
)
from z4j_brain.rbac.reach import Part, Reach
from z4j_brain.rbac.states import NARROWABLE, SERVICE_PERMISSIONS, Effect, Permission

Found = TypeVar("Found")

#: A project, and perhaps one of its environments, by their keys.
Place = tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is in force: a person, perhaps by a token of theirs, or a service token."""

    user: User | None
    token: Token | None

    @property
    def is_superuser(self) -> bool:
        return self.user is not None and self.user.is_superuser

    @property
    def is_staff(self) -> bool:
        return self.user is not None and (self.user.is_staff or self.user.is_superuser)

    def bounds(self, permission: Permission, place: Place) -> bool:
        """Does the token, if there is one, reach as far?"""
        token = self.token
        if token is None:
            return True
        if token.project_id not in (None, place[0]) or token.environment_id not in (None, place[1]):
            return False
        return token.is_service or permission.value in token.scopes


def remembering(actor: Actor) -> Actor:
    """The actor, to be asked about more than once and at this moment: of another request, they are looked up anew."""
    if actor.known is not None:
        return actor
    return replace(actor, known={"standing": _standing(actor)})


def standing(actor: Actor) -> Standing | None:
    """The actor as the database knows them now; None when they, or their token, are out of force."""
    return once(actor, "standing", lambda: _standing(actor))


def grants(actor: Actor) -> list[Grant]:
    """The grants to the actor and to their groups that have not expired."""
    return once(actor, "grants", lambda: _grants(actor))


def reach(actor: Actor, found: Standing, permission: Permission, place: Place) -> Reach:
    """How far the permission reaches in this place."""
    if found.is_superuser:
        return Reach(whole=found.bounds(permission, place))
    held = once(actor, place, lambda: _codenames(found, [place])[place])
    return reaching(found, grants(actor), held, permission, place)


def reaching(
    found: Standing, given: Iterable[Grant], held: Collection[str], permission: Permission, place: Place
) -> Reach:
    """The same of what was looked up already: grants, and the codenames that are held in the place by membership."""
    if not found.bounds(permission, place):
        return Reach()
    whole, never = permission.value in held, False
    allowed: set[Part] = set()
    denied: set[Part] = set()
    for grant in given:
        if not _concerns(grant, place) or permission not in grant.permissions:
            continue
        if grant.is_narrow and permission not in NARROWABLE:
            continue
        part = Part(grant.queue_glob, grant.task_glob)
        if grant.effect == Effect.DENY:
            never, denied = never or not grant.is_narrow, denied | ({part} if grant.is_narrow else set())
        elif found.user is not None or permission in SERVICE_PERMISSIONS:
            whole, allowed = whole or not grant.is_narrow, allowed | ({part} if grant.is_narrow else set())
    return Reach(whole, never, frozenset(allowed), frozenset(denied))


def touched(actor: Actor, found: Standing) -> dict[Place, list[str]]:
    """The environments that grants to the actor are about, and what is held in each by membership."""
    return once(actor, "touched", lambda: _touched(actor, found))


def _touched(actor: Actor, found: Standing) -> dict[Place, list[str]]:
    given = grants(actor)
    if not given or found.is_superuser:
        return {}
    projects = {grant.project_id for grant in given if grant.environment_id is None}
    rows = Environment.objects.filter(
        Q(project__in=projects) | Q(pk__in={grant.environment_id for grant in given if grant.environment_id})
    )
    places: list[Place] = [(project, pk) for project, pk in rows.order_by().values_list("project_id", "pk")]
    places += [(project, None) for project in projects]
    return {place: list(held) for place, held in _codenames(found, places).items()}


def once(actor: Actor, key: Hashable, look: Callable[[], Found]) -> Found:
    """What an actor of a request remembers under a key; looked up the first time, and each time for any other."""
    if actor.known is None:
        return look()
    if key not in actor.known:
        actor.known[key] = look()
    value: Found = actor.known[key]
    return value


def _standing(actor: Actor) -> Standing | None:
    if actor.known is not None:  # this very request has just looked up who sent it
        held = actor.token is None or actor.token.is_in_force
        return Standing(actor.user, actor.token) if held and (actor.user is None or actor.user.is_active) else None
    if actor.token is not None:
        in_force = Token.objects.filter(pk=actor.token.pk, revoked_at=None, expires_at__gt=timezone.now())
        token = in_force.filter(Q(user=None) | Q(user__is_active=True)).select_related("user").first()
        return Standing(token.user, token) if token else None
    if actor.user is None:
        return None
    user = User.objects.filter(pk=actor.user.pk, is_active=True).first()
    return Standing(user, None) if user else None


def _grants(actor: Actor) -> list[Grant]:
    if actor.user is not None:
        groups = GroupMember.objects.filter(user=actor.user).values("group")
        who = Q(user=actor.user) | Q(group__in=groups)
    elif actor.token is not None:
        who = Q(token=actor.token)
    else:
        return []
    return list(Grant.objects.filter(who, Grant.in_force()))


def _concerns(grant: Grant, place: Place) -> bool:
    return grant.project_id == place[0] and grant.environment_id in (None, place[1])


def _codenames(found: Standing, places: Iterable[Place]) -> dict[Place, set[str]]:
    """What is held by membership, or as the scopes of a service token, in each of these places: one query."""
    places = list(places)
    if found.user is None:
        scopes = set(found.token.scopes if found.token else ()) & {one.value for one in SERVICE_PERMISSIONS}
        return {place: scopes if found.bounds(Permission.VIEW, place) else set() for place in places}
    projects = {project for project, _ in places}
    environments = {environment for _, environment in places if environment is not None}
    told = ("kind", "content_object", "permission__codename")
    rows = _rows(ProjectUserObjectPermission, found.user, projects, 0).values_list(*told)
    if environments:
        own = _rows(EnvironmentUserObjectPermission, found.user, environments, 1).values_list(*told)
        rows = rows.union(own, all=True)
    held: dict[tuple[int, int | None], set[str]] = defaultdict(set)
    for kind, pk, codename in rows:
        held[kind, pk].add(codename)
    return {place: held[0, place[0]] | (held[1, place[1]] if place[1] is not None else set()) for place in places}


def _rows(
    model: type[ProjectUserObjectPermission | EnvironmentUserObjectPermission], user: User, pks: set[int], kind: int
) -> QuerySet[Any]:
    rows = model.objects.filter(user=user, content_object__in=pks)
    told: QuerySet[Any] = rows.annotate(kind=Value(kind, output_field=IntegerField()))
    return told
