"""What people ask of grants and groups: to give or deny beside memberships, for a time, for a part of what is there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.ledger.states import Phase
from z4j_brain.rbac import access, electors, globs, rank, silence, two
from z4j_brain.rbac.access import Instance
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.fresh import Fresh
from z4j_brain.rbac.granted import Grant, Group, GroupMember
from z4j_brain.rbac.models import Environment, Membership, Project, Token, User
from z4j_brain.rbac.states import (
    GUARDED,
    NARROWABLE,
    SERVICE_PERMISSIONS,
    Effect,
    InstancePermission,
    MemberSource,
    Permission,
    Role,
)


@action(Permission.MANAGE_MEMBERS, "grant.give", phase=Phase.ADMIN, fresh=Fresh.PEOPLE, eyes=two.of_grant)
def give(
    place: Project | Environment,
    subject: User | Group | Token,
    what: Role | Permission,
    *,
    effect: Effect = Effect.ALLOW,
    queue_glob: str = "",
    task_glob: str = "",
    expires_at: datetime | None = None,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> Grant:
    """Allow or deny `subject` a role or one permission here, or only for the queues and the task names that match.

    Nobody gives what they do not hold themselves, and what only admins and owners have, only an owner gives or denies.
    Raises ValidationError.
    """
    project, environment = access.place(place)
    grant = Grant(
        user=subject if isinstance(subject, User) else None,
        group=subject if isinstance(subject, Group) else None,
        token=subject if isinstance(subject, Token) else None,
        role=what if isinstance(what, Role) else "",
        permission=what if isinstance(what, Permission) else "",
        project=project,
        environment=environment,
        queue_glob=queue_glob,
        task_glob=task_glob,
        effect=effect,
        expires_at=expires_at,
        reason=reason[:500],
        granted_by=actor.name[:255],
    )
    _check(grant)
    rank.demand(actor, place, grant.permissions, give=grant.permissions if effect == Effect.ALLOW else ())
    if effect == Effect.DENY:
        _demand_beneath(actor, subject, grant.project)
    grant.full_clean(exclude=["user", "group", "token", "project", "environment", "expires_at"])
    with silence.told(place, "grant.give", actor, reason, record):
        grant.save()
    _tell(record, grant)
    record.diff(None, grant)
    return grant


@action(Permission.MANAGE_MEMBERS, "grant.revoke", phase=Phase.ADMIN, eyes=two.of_revoking)
def revoke(grant: Grant, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Take a grant or a denial back. Twice changes nothing."""
    # To lift a denial is to give what it denied.
    given = grant.permissions if grant.effect == Effect.DENY else ()
    rank.demand(actor, grant.environment or grant.project, grant.permissions, give=given)
    _tell(record, grant)
    record.diff(grant, None)
    with silence.told(grant.environment or grant.project, "grant.revoke", actor, reason, record):
        Grant.objects.filter(pk=grant.pk).delete()


@action(InstancePermission.MANAGE_INSTANCE, "group.create", phase=Phase.ADMIN)
def create_group(
    instance: Instance, name: str, *, claim: str = "", actor: Actor, reason: str = "", record: Record
) -> Group:
    """A group of people, who may be told by a claim at sign-in. Raises ValidationError for a name or claim in use."""
    group = Group(name=name.strip(), claim=claim.strip())
    group.full_clean()
    group.save()
    record.target("group", group.pk)
    record.diff(None, group)
    return group


@action(InstancePermission.MANAGE_INSTANCE, "group.delete", phase=Phase.ADMIN)
def delete_group(group: Group, *, actor: Actor, reason: str = "", record: Record) -> None:
    """With all that was granted to it."""
    record.target("group", group.pk)
    record.diff(group, None)
    with silence.told(group, "group.delete", actor, reason, record):
        Group.objects.filter(pk=group.pk).delete()


@action(
    InstancePermission.MANAGE_INSTANCE,
    "group.add",
    phase=Phase.ADMIN,
    fresh=Fresh.PEOPLE,
    eyes=two.of_joining,
    agree=Permission.MANAGE_MEMBERS,
)
def add_to_group(group: Group, user: User, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Put somebody in by hand. Twice changes nothing."""
    GroupMember.objects.get_or_create(group=group, user=user, source=MemberSource.MANUAL)
    record.target("user", user.pk)
    record.params({"group": group.pk})


@action(InstancePermission.MANAGE_INSTANCE, "group.remove", phase=Phase.ADMIN)
def remove_from_group(group: Group, user: User, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Take somebody out. Whom a sign-in's claims name comes back with the next one."""
    with silence.told(user, "group.remove", actor, reason, record):
        GroupMember.objects.filter(group=group, user=user).delete()
    record.target("user", user.pk)
    record.params({"group": group.pk})


@action(InstancePermission.MANAGE_INSTANCE, "group.claims", phase=Phase.ADMIN)
def follow_claims(user: User, claims: Collection[str], *, actor: Actor, reason: str = "", record: Record) -> list[str]:
    """Make the groups that sign-in gives `user` those that these claims name; the names of them."""
    wanted = set(Group.objects.filter(claim__in=[one for one in claims if one]))
    rows = GroupMember.objects.filter(user=user, source=MemberSource.OIDC)
    had = {row.group for row in rows.select_related("group")}
    with silence.told(user, "group.claims", actor, reason, record):
        rows.exclude(group__in=wanted).delete()
        for group in wanted - had:
            GroupMember.objects.get_or_create(group=group, user=user, source=MemberSource.OIDC)
    told = {"gained": sorted(one.pk for one in wanted - had), "lost": sorted(one.pk for one in had - wanted)}
    record.target("user", user.pk)
    record.params(told)
    record.private({"groups": {"gained": sorted(map(str, wanted - had)), "lost": sorted(map(str, had - wanted))}})
    return sorted(map(str, wanted))


def _check(grant: Grant) -> None:
    faults: dict[str, list[str]] = {}
    for name in ("queue_glob", "task_glob"):
        try:
            globs.check(getattr(grant, name))
        except ValidationError as error:
            faults[name] = list(error.messages)
    if grant.is_narrow and not grant.permissions & NARROWABLE:
        faults["queue_glob"] = [gettext("This is not about queues or tasks: it cannot be given for some of them.")]
    if grant.expires_at is not None and grant.expires_at <= timezone.now():
        faults["expires_at"] = [gettext("This is over already.")]
    if grant.token is not None and not grant.token.is_service:
        faults["subject"] = [gettext("A person's token has what the person has: grant it to them.")]
    if grant.token is not None and grant.token.project_id != grant.project_id:
        faults["subject"] = [gettext("This token belongs to another project.")]
    if grant.token is not None and grant.effect == Effect.ALLOW and not grant.permissions <= SERVICE_PERMISSIONS:
        faults["permission"] = [gettext("No service token may have this.")]
    if faults:
        raise ValidationError(faults)


def _demand_beneath(actor: Actor, subject: User | Group | Token, project: Project) -> None:
    """A project whose owners can do nothing is nobody's: an owner is demoted, not denied. Admins answer to owners."""
    if isinstance(subject, Token):
        return
    ranks = Membership.objects.filter(project=project, environment=None, role__in=(Role.ADMIN, Role.OWNER))
    if isinstance(subject, Group):
        ranks = ranks.filter(user__in=GroupMember.objects.filter(group=subject).values("user"))
    else:
        ranks = ranks.filter(user=subject)
    found = set(ranks.values_list("role", flat=True))
    if Role.OWNER in found:
        raise ValidationError(gettext("An owner is denied nothing: change their role first."), code="owner")
    given = electors.allowed(electors.behind(subject)).filter(project=project)
    ranked = bool(found) or given.filter(Q(role__in=(Role.ADMIN, Role.OWNER)) | Q(permission__in=GUARDED)).exists()
    if ranked and actor.type != "system" and not rank.is_owner(actor, project):
        raise ValidationError(gettext("Only an owner denies an admin anything."), code="rank")


def _tell(record: Record, grant: Grant) -> None:
    kind = "user" if grant.user_id else "group" if grant.group_id else "token"
    record.target(kind, grant.user_id or grant.group_id or grant.token_id)
    environment = grant.environment.slug if grant.environment else ""
    told = {"grant": str(grant.pk), "effect": grant.effect, "what": grant.role or grant.permission}
    record.params(told | {"environment": environment, "queue": grant.queue_glob, "task": grant.task_glob})
