"""What people ask of the tenancy: set the instance up, make projects and environments, give roles and tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.ledger.states import Phase
from z4j_brain.rbac import guardian_rows, rank, silence, two
from z4j_brain.rbac.access import Instance
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.authentication import new_token
from z4j_brain.rbac.fresh import Fresh
from z4j_brain.rbac.models import (
    SETUP_LINK_LIFE,
    Environment,
    Membership,
    Project,
    Setup,
    Sweep,
    Token,
    User,
)
from z4j_brain.rbac.retention import SETTINGS, SETTLE
from z4j_brain.rbac.states import (
    RESERVED_SLUGS,
    ROLE_PERMISSIONS,
    EnvironmentKind,
    InstancePermission,
    Permission,
    Role,
)


class AlreadySetUp(ValidationError):
    """The instance has its first administrator, or the set-up link is not in force any more."""

    def __init__(self) -> None:
        super().__init__(str(self.__doc__), code="already_set_up")


@action(InstancePermission.MANAGE_INSTANCE, "instance.offer_setup", phase=Phase.ADMIN)
def offer_setup(instance: Instance, *, actor: Actor, reason: str = "", record: Record) -> str:
    """A new one-time set-up secret, good for 15 minutes; any earlier one ends. Raises AlreadySetUp."""
    secret = secrets.token_urlsafe(32)
    offer = {"link_hash": _hash_link(secret), "link_expires_at": timezone.now() + SETUP_LINK_LIFE}
    Setup.objects.get_or_create(pk=Setup.ONLY)
    # Between two starters and a set-up page in the browser, only an instance without an owner gets a new link.
    if not Setup.objects.filter(pk=Setup.ONLY, done_at=None).update(**offer):
        raise AlreadySetUp
    return secret


@action(InstancePermission.MANAGE_INSTANCE, "instance.set_up", phase=Phase.ADMIN)
def create_owner(
    instance: Instance, username: str, password: str, *, link: str = "", actor: Actor, reason: str = "", record: Record
) -> User:
    """The first administrator, who owns the project "default" with its environment "production".

    Raises AlreadySetUp when somebody else was first, or when `link` is given and not in force; ValidationError when the
    name or the password will not do.
    """
    Setup.objects.get_or_create(pk=Setup.ONLY)
    offers = Setup.objects.filter(pk=Setup.ONLY, done_at=None)
    if link:
        offers = offers.filter(link_hash=_hash_link(link), link_expires_at__gt=timezone.now())
    # Of two browsers with the same link, one finds the row still open.
    if not offers.update(done_at=timezone.now(), link_hash=""):
        raise AlreadySetUp
    user = _new_user(username, password, is_staff=True)
    project, _ = Project.objects.get_or_create(slug="default", defaults={"name": "Default"})
    if not project.environments.exists():
        Environment.objects.create(project=project, slug="production", name="Production")
    Membership.objects.create(user=user, project=project, role=Role.OWNER)
    guardian_rows.rewrite(user, project)
    record.target("user", user.pk)
    return user


@action(InstancePermission.MANAGE_INSTANCE, "user.create", phase=Phase.ADMIN)
def create_user(
    instance: Instance, username: str, password: str, *, actor: Actor, reason: str = "", record: Record
) -> User:
    """A person who may sign in, and may see nothing until somebody gives them a role."""
    user = _new_user(username, password, is_staff=False)
    record.target("user", user.pk)
    record.diff(None, user)
    return user


@action(InstancePermission.MANAGE_INSTANCE, "project.create", phase=Phase.ADMIN)
def create_project(
    instance: Instance, slug: str, name: str, *, owner: User, actor: Actor, reason: str = "", record: Record
) -> Project:
    """A project with its first owner and no environment yet."""
    _check_slug(slug)
    project = Project(slug=slug, name=name)
    project.full_clean()
    project.save()
    Membership.objects.create(user=owner, project=project, role=Role.OWNER)
    guardian_rows.rewrite(owner, project)
    record.target("project", project.pk)
    record.diff(None, project)
    return project


@action(Permission.MANAGE_PROJECT, "environment.create", phase=Phase.ADMIN)
def create_environment(
    project: Project,
    slug: str,
    name: str,
    *,
    kind: EnvironmentKind = EnvironmentKind.PRODUCTION,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> Environment:
    _check_slug(slug)
    environment = Environment(project=project, slug=slug, name=name, kind=kind)
    environment.full_clean()
    environment.save()
    record.target("environment", environment.pk)
    record.diff(None, environment)
    return environment


@action(Permission.MANAGE_PROJECT, "environment.configure", phase=Phase.ADMIN)
def configure_environment(
    environment: Environment, settings: Mapping[str, Any], *, actor: Actor, reason: str = "", record: Record
) -> Environment:
    """Set what is kept for how long, and what may be searched. Raises ValidationError by the name of the setting."""
    if unknown := sorted(set(settings) - set(SETTINGS)):
        raise ValidationError(dict.fromkeys(unknown, gettext("Unknown setting.")))
    old = Environment.objects.select_for_update().get(pk=environment.pk)
    new = Environment.objects.get(pk=environment.pk)
    for name, value in settings.items():
        setattr(new, name, value)
    new.full_clean()
    new.save(update_fields=list(SETTINGS))
    # Soon, but not before every process has heard how far back events still tell the whole of a task.
    Sweep.objects.filter(environment=environment).update(next_at=timezone.now() + SETTLE)
    record.target("environment", environment.pk)
    record.diff(old, new)
    record.nudge(environment.pk, "settings")
    return new


@action(Permission.MANAGE_MEMBERS, "member.set_role", phase=Phase.ADMIN, fresh=Fresh.PEOPLE, eyes=two.of_role)
def set_membership(
    place: Project | Environment, user: User, role: Role | None, *, actor: Actor, reason: str = "", record: Record
) -> Membership | None:
    """Give `user` this role in the whole project or in one environment; None takes it away.

    Guardian's rows follow in the same transaction. Nobody gives what they do not hold, only an owner may make or change
    an admin, an owner or an auditor, and the last owner stays one.
    """
    project = place if isinstance(place, Project) else place.project
    environment = None if isinstance(place, Project) else place
    old = Membership.objects.select_for_update().filter(user=user, project=project, environment=environment).first()
    given = ROLE_PERMISSIONS[role] if role else frozenset()
    taken = ROLE_PERMISSIONS[Role(old.role)] if old else frozenset()
    rank.demand(actor, place, given | taken, give=given)
    if environment is None and old and old.role == Role.OWNER and role != Role.OWNER:
        rank.demand_another_owner(project, user)
    membership: Membership | None = None
    with silence.told(place, "member.set_role", actor, reason, record):
        if role is None:
            Membership.objects.filter(user=user, project=project, environment=environment).delete()
        else:
            membership, _ = Membership.objects.update_or_create(
                user=user, project=project, environment=environment, defaults={"role": role}
            )
        guardian_rows.rewrite(user, place)
    record.target("user", user.pk)
    record.params({"role": role.value if role else "", "environment": environment.slug if environment else ""})
    record.diff(old, membership)
    return membership


@action(InstancePermission.MANAGE_OWN_TOKENS, "token.mint", phase=Phase.ADMIN, fresh=True)
def mint_token(
    user: User,
    *,
    name: str,
    scopes: Sequence[Permission],
    project: Project | None = None,
    days: int = 90,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> tuple[Token, str]:
    """A new token of `user`, and its text, which nobody can show again."""
    kid, secret_hash, text = new_token()
    token = Token.objects.create(
        user=user,
        name=name,
        kid=kid,
        secret_hash=secret_hash,
        scopes=sorted({Permission(scope).value for scope in scopes}),
        project=project,
        expires_at=timezone.now() + timedelta(days=days),
    )
    record.target("token", token.pk)
    record.params({"kid": kid, "scopes": token.scopes, "project": project.slug if project else "", "days": days})
    return token, text


@action(InstancePermission.MANAGE_OWN_TOKENS, "token.revoke", phase=Phase.ADMIN)
def revoke_token(token: Token, *, actor: Actor, reason: str = "", record: Record) -> None:
    """End a token now. Revoking twice changes nothing."""
    Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
    record.params({"kid": token.kid})


def _hash_link(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _new_user(username: str, password: str, *, is_staff: bool) -> User:
    user = User(username=username, is_staff=is_staff)
    validate_password(password, user)
    user.set_password(password)
    user.full_clean()
    user.save()
    return user


def _check_slug(slug: str) -> None:
    if slug in RESERVED_SLUGS:
        raise ValidationError(
            {"slug": gettext("%(slug)s is an address of the brain itself: choose another.") % {"slug": slug}}
        )
