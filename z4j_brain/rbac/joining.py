"""What people ask of each other: invitations to a project, and accounts that are in force or not."""

from __future__ import annotations

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.ledger.states import Phase
from z4j_brain.rbac import access, guardian_rows, rank, silence, two
from z4j_brain.rbac.access import Instance
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.fresh import Fresh
from z4j_brain.rbac.granted import Invitation
from z4j_brain.rbac.models import Environment, Membership, Project, User
from z4j_brain.rbac.states import ROLE_PERMISSIONS, InstancePermission, Permission, Role


class NotInForce(ValidationError):
    """This invitation is not in force any more."""

    def __init__(self) -> None:
        super().__init__(str(self.__doc__), code="not_in_force")


@action(Permission.MANAGE_MEMBERS, "member.invite", phase=Phase.ADMIN, fresh=Fresh.PEOPLE, eyes=two.of_role)
def invite(
    place: Project | Environment, sent_to: str, role: Role, *, actor: Actor, reason: str = "", record: Record
) -> tuple[Invitation, str]:
    """An invitation, good for seven days, and the secret of its link, which nobody can show again."""
    given = ROLE_PERMISSIONS[role]
    rank.demand(actor, place, given, give=given)
    project, environment = access.place(place)
    secret = secrets.token_urlsafe(32)
    invitation = Invitation(
        project=project,
        environment=environment,
        sent_to=sent_to.strip(),
        role=role,
        link_hash=Invitation.digest(secret),
        invited_by=actor.user,
        expires_at=timezone.now() + Invitation.LIFE,
    )
    invitation.clean_fields(
        exclude=["project", "environment", "invited_by", "accepted_by", "accepted_at", "revoked_at"]
    )
    invitation.save()
    record.target("invitation", invitation.pk)
    record.params({"role": role.value, "environment": environment.slug if environment else ""})
    record.private({"sent_to": invitation.sent_to})
    return invitation, secret


@action(Permission.MANAGE_MEMBERS, "member.uninvite", phase=Phase.ADMIN)
def uninvite(invitation: Invitation, *, actor: Actor, reason: str = "", record: Record) -> None:
    """Its link leads nowhere from now on. Twice changes nothing."""
    record.target("invitation", invitation.pk)
    Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None).update(revoked_at=timezone.now())


@action(InstancePermission.MANAGE_OWN_TOKENS, "member.accept", phase=Phase.ADMIN)
def accept(user: User, link: str, *, actor: Actor, reason: str = "", record: Record) -> Invitation:
    """Take the role that the link gives, as who one is. Raises NotInForce, or ValidationError for a member."""
    return _join(user, link, record)


@action(InstancePermission.MANAGE_INSTANCE, "member.sign_up", phase=Phase.ADMIN)
def sign_up(
    instance: Instance, link: str, username: str, password: str, *, actor: Actor, reason: str = "", record: Record
) -> User:
    """A new account with the role that the link gives, and nothing else. Raises NotInForce or ValidationError."""
    user = User(username=username)
    validate_password(password, user)
    user.set_password(password)
    user.full_clean()
    user.save()
    invitation = _join(user, link, record)
    Invitation.objects.filter(pk=invitation.pk).update(is_new_account=True)
    return user


@action(InstancePermission.MANAGE_INSTANCE, "user.disable", phase=Phase.ADMIN)
def disable(user: User, *, actor: Actor, reason: str = "", record: Record) -> None:
    """End what this person can do, at once: sign-in, sessions, tokens and open pages."""
    if actor.user is not None and actor.user.pk == user.pk:
        raise ValidationError(gettext("Nobody disables themselves."), code="self")
    record.target("user", user.pk)
    with silence.told(user, "user.disable", actor, reason, record):
        User.objects.filter(pk=user.pk).update(is_active=False)


@action(InstancePermission.MANAGE_INSTANCE, "user.enable", phase=Phase.ADMIN)
def enable(user: User, *, actor: Actor, reason: str = "", record: Record) -> None:
    """The person may sign in again, and has the roles that they had."""
    User.objects.filter(pk=user.pk).update(is_active=True)
    record.target("user", user.pk)


def _join(user: User, link: str, record: Record) -> Invitation:
    rows = Invitation.objects.select_for_update(of=("self",)).select_related("project", "environment__project")
    invitation = rows.filter(link_hash=Invitation.digest(link)).first()
    if invitation is None or not invitation.is_open or not _still_given(invitation):
        raise NotInForce
    place = invitation.environment or invitation.project
    held = {"user": user, "project": invitation.project, "environment": invitation.environment}
    if Membership.objects.filter(**held).exists():
        raise ValidationError(gettext("You are a member already: ask for another role instead."), code="member")
    Membership.objects.create(**held, role=invitation.role)
    guardian_rows.rewrite(user, place)
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    environment = invitation.environment.slug if invitation.environment else ""
    record.target("user", user.pk)
    record.params({"invitation": str(invitation.pk), "role": invitation.role, "project": invitation.project.slug})
    record.params({"environment": environment})
    return invitation


def _still_given(invitation: Invitation) -> bool:
    """Could whoever invited still give it? Nobody leaves invitations behind."""
    if invitation.invited_by is None:
        return True
    place = invitation.environment or invitation.project
    inviter = Actor.of_user(invitation.invited_by)
    if not access.decide(inviter, Permission.MANAGE_MEMBERS, place).allow:
        return False
    given = ROLE_PERMISSIONS[Role(invitation.role)]
    try:
        rank.demand(inviter, place, given, give=given)
    except ValidationError:
        return False
    return True
