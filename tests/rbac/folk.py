"""The people's side of a furnished environment: a grant, an invitation and a service token, full of canaries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from z4j_brain.rbac.granted import Grant, Group, Invitation
from z4j_brain.rbac.models import Environment, Membership, Token
from z4j_brain.rbac.states import Permission, Role

#: Addresses of a whole project; whose rows are looked for after the project was, so that a 405 is told first.
OF_PROJECT = (
    "api-members",
    "api-member",
    "api-invitations",
    "api-invitation",
    "api-grants",
    "api-grant",
    "api-service-tokens",
    "api-service-token",
    "api-service-token-rotate",
)
#: Of the instance: whether a row exists, a 405 does not tell.
OF_INSTANCE = ("api-users", "api-user", "api-user-disable", "api-user-enable")
OF_INSTANCE += ("api-groups", "api-group", "api-group-add", "api-group-remove")


def furnish(environment: Environment, mark: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows of everything, and the keys and the bodies by which addresses are filled in."""
    here: dict[str, Any] = {"project": environment.project, "environment": environment}
    soon = timezone.now() + timedelta(days=1)
    group = Group.objects.create(name=mark, claim=mark)
    globs = {"queue_glob": mark, "task_glob": mark}
    grant = Grant.objects.create(
        group=group, permission=Permission.RETRY, reason=mark, granted_by=mark, **globs, **here
    )
    invitation = Invitation.objects.create(
        sent_to=mark, role=Role.VIEWER, link_hash=Invitation.digest(mark), expires_at=soon, **here
    )
    kid = f"{environment.pk:016d}"
    token = Token.objects.create(name=mark, kid=kid, scopes=[Permission.VIEW], expires_at=soon, **here)
    owner = Membership.objects.get(project=environment.project, role=Role.OWNER)
    person = Membership.objects.filter(project=environment.project).order_by("pk").last()
    user = person.user if person else owner.user
    keys = {
        "api-member": owner.pk,
        "api-invitation": invitation.pk,
        "api-grant": grant.pk,
        "api-service-token": token.pk,
        "api-service-token-rotate": token.pk,
        "api-user": user.pk,
        "api-user-disable": user.pk,
        "api-user-enable": user.pk,
        "api-group": group.pk,
        "api-group-add": group.pk,
        "api-group-remove": group.pk,
    }
    named = {"username": "vera"}
    bodies = {
        "api-members": named | {"role": "viewer"},
        "api-invitations": {"sent_to": "somebody", "role": "viewer"},
        "api-grants": named | {"permission": "retry_task"},
        "api-service-tokens": {"name": "ci", "scopes": ["view_metadata"]},
        "api-groups": {"name": "new"},
        "api-group-add": named,
        "api-group-remove": named,
    }
    return keys, bodies


def place(name: str, slug: str) -> dict[str, Any] | None:
    """What an address of these takes beside the key; None for any other."""
    if name in OF_PROJECT:
        return {"slug": slug}
    return {} if name in OF_INSTANCE else None
