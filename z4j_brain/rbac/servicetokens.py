"""Tokens that belong to a project and to nobody in it: minted, rotated and ended by whoever manages its members."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.ledger.states import Phase
from z4j_brain.rbac import access, rank
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.authentication import new_token
from z4j_brain.rbac.fresh import Fresh
from z4j_brain.rbac.models import Environment, Project, Token
from z4j_brain.rbac.states import SERVICE_PERMISSIONS, Permission


@action(Permission.MANAGE_MEMBERS, "service_token.mint", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def mint(
    place: Project | Environment,
    name: str,
    scopes: Sequence[Permission],
    *,
    days: int = 90,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> tuple[Token, str]:
    """A new token with these scopes here, and its text, which nobody can show again."""
    wanted = {Permission(scope) for scope in scopes}
    if not wanted or not wanted <= SERVICE_PERMISSIONS:
        raise ValidationError(
            {"scopes": gettext("A service token has some of what an operator has, and nothing beyond.")}
        )
    rank.demand(actor, place, (), give=wanted)
    project, environment = access.place(place)
    kid, secret_hash, text = new_token()
    token = Token.objects.create(
        name=name.strip()[:128],
        kid=kid,
        secret_hash=secret_hash,
        scopes=sorted(one.value for one in wanted),
        project=project,
        environment=environment,
        minted_by=actor.user,
        expires_at=timezone.now() + timedelta(days=days),
    )
    record.target("token", token.pk)
    record.params({"kid": kid, "scopes": token.scopes, "days": days})
    return token, text


@action(Permission.MANAGE_MEMBERS, "service_token.rotate", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def rotate(token: Token, *, days: int = 90, actor: Actor, reason: str = "", record: Record) -> tuple[Token, str]:
    """The same token under a new secret. The old one ends at once, and who rotates it stands behind it from then on."""
    rank.demand(actor, token.environment or _home(token), (), give={Permission(one) for one in token.scopes})
    locked = Token.objects.select_for_update().get(pk=token.pk)
    if locked.revoked_at is not None:
        raise ValidationError(gettext("This token was revoked: mint another."), code="revoked")
    old, (locked.kid, locked.secret_hash, text) = locked.kid, new_token()
    locked.expires_at = timezone.now() + timedelta(days=days)
    locked.minted_by = actor.user
    locked.save(update_fields=["kid", "secret_hash", "expires_at", "minted_by"])
    record.target("token", token.pk)
    record.params({"kid": locked.kid, "before": old, "days": days})
    return locked, text


@action(Permission.MANAGE_MEMBERS, "service_token.revoke", phase=Phase.ADMIN)
def revoke(token: Token, *, actor: Actor, reason: str = "", record: Record) -> None:
    """End a token now. Twice changes nothing."""
    Token.objects.filter(pk=token.pk, user=None, revoked_at=None).update(revoked_at=timezone.now())
    record.target("token", token.pk)
    record.params({"kid": token.kid})


def _home(token: Token) -> Project:
    if token.project is None:
        raise ValidationError(gettext("This is a person's token."), code="personal")
    return token.project
