"""Who holds permissions in an environment, by a membership, a grant or a group: few queries, however many people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from z4j_brain.rbac import holdings
from z4j_brain.rbac.granted import Grant, Group, GroupMember
from z4j_brain.rbac.models import Environment, EnvironmentUserObjectPermission, ProjectUserObjectPermission, User
from z4j_brain.rbac.reach import Reach
from z4j_brain.rbac.states import Effect, Permission

#: People that are named at most.
_NAMED = 50


def holders(environment: Environment, *wanted: Permission) -> list[User]:
    """People in force who may do all of this here, as `access.decide` says, and the first of it by more than being a
    superuser.
    """
    held, given = _by_membership(environment, wanted), _by_grant(environment)
    first = wanted[0]
    named = {pk for pk, codenames in held.items() if first.value in codenames}
    named |= {pk for pk, grants in given.items() if any(_gives(grant, first) for grant in grants)}
    people = User.objects.filter(pk__in=named, is_active=True).order_by("username")
    place = (environment.project_id, environment.pk)
    found = [one for one in people if one.is_superuser or _may(one, held[one.pk], given[one.pk], wanted, place)]
    return found[:_NAMED]


def seers(environment: Environment) -> list[User]:
    """People in force who see all that is in an environment, by name."""
    held, given = _by_membership(environment, [Permission.VIEW]), _by_grant(environment)
    known = Q(pk__in=held.keys() | given.keys()) | Q(is_superuser=True)
    place = (environment.project_id, environment.pk)
    return [
        one
        for one in User.objects.filter(known, is_active=True).order_by("username")
        if one.is_superuser or _reach(one, held[one.pk], given[one.pk], Permission.VIEW, place).is_everywhere
    ]


def behind(subject: Any) -> set[UUID]:
    """The keys of the people whom a grant to this concerns: of one, of a group, or of nobody."""
    if isinstance(subject, Group):
        return set(GroupMember.objects.filter(group=subject).values_list("user", flat=True))
    return {subject.pk} if isinstance(subject, User) else set()


def _by_membership(environment: Environment, wanted: Iterable[Permission]) -> dict[UUID, set[str]]:
    names = {"permission__codename__in": [one.value for one in wanted]}
    told = ("user", "permission__codename")
    rows = ProjectUserObjectPermission.objects.filter(content_object=environment.project_id, **names)
    here = EnvironmentUserObjectPermission.objects.filter(content_object=environment, **names)
    held: dict[UUID, set[str]] = defaultdict(set)
    for pk, codename in rows.values_list(*told).union(here.values_list(*told), all=True):
        held[pk].add(codename)
    return held


def _by_grant(environment: Environment) -> dict[UUID, list[Grant]]:
    """What is allowed and denied here to each person, themselves or by a group."""
    here = Q(environment=None) | Q(environment=environment)
    rows = list(Grant.objects.filter(here, Grant.in_force(), project=environment.project_id, token=None))
    given: dict[UUID, list[Grant]] = defaultdict(list)
    of_groups: dict[int, list[Grant]] = defaultdict(list)
    for grant in rows:
        if grant.user_id is not None:
            given[grant.user_id].append(grant)
        elif grant.group_id is not None:
            of_groups[grant.group_id].append(grant)
    if of_groups:
        for user, group in GroupMember.objects.filter(group__in=of_groups).values_list("user", "group"):
            given[user] += of_groups[group]
    return given


def _gives(grant: Grant, permission: Permission) -> bool:
    return grant.effect == Effect.ALLOW and permission in grant.permissions


def _may(
    user: User, held: Collection[str], given: list[Grant], wanted: Iterable[Permission], place: holdings.Place
) -> bool:
    return all(_reach(user, held, given, one, place).is_somewhere for one in wanted)


def _reach(
    user: User, held: Collection[str], given: list[Grant], permission: Permission, place: holdings.Place
) -> Reach:
    return holdings.reaching(holdings.Standing(user, None), given, held, permission, place)


def allowed_to(group: Group) -> QuerySet[Grant]:
    """What grants in force allow the people of this group."""
    return Grant.objects.filter(Grant.in_force(), group=group, effect=Effect.ALLOW)


def allowed(users: Iterable[Any]) -> QuerySet[Grant]:
    """What grants in force allow these people, themselves or by a group."""
    users = list(users)
    groups = GroupMember.objects.filter(user__in=users).values("group")
    return Grant.objects.filter(Q(user__in=users) | Q(group__in=groups), Grant.in_force(), effect=Effect.ALLOW)
