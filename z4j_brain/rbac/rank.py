"""Who may give what: nobody more than they hold, and what admins, owners and auditors have only owners."""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from z4j_brain.rbac import access
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment, Membership, Project, User
from z4j_brain.rbac.states import GUARDED, ROLE_PERMISSIONS, Permission, Role

Place = Project | Environment


def demand(actor: Actor, place: Place, touched: Collection[Permission], *, give: Collection[Permission]) -> None:
    """Raises ValidationError where the actor may not touch these permissions, or not give those."""
    if actor.type == "system":
        return
    if set(touched) & GUARDED and not is_owner(actor, place):
        raise ValidationError(
            gettext("Only an owner gives or takes what admins, owners and auditors have."), code="rank"
        )
    held = access.permissions(actor, place)
    for permission in Permission:
        if permission in give and not (permission in held and held.is_everywhere(permission)):
            said = gettext("You cannot give what you do not have: to %(do)s.") % {"do": permission.label}
            raise ValidationError(said, code="rank")


def is_owner(actor: Actor, place: Place) -> bool:
    """Does the actor hold, in the whole project, all that an owner does?"""
    project = place if isinstance(place, Project) else place.project
    return access.permissions(actor, project) >= ROLE_PERMISSIONS[Role.OWNER]


def demand_another_owner(project: Project, user: User) -> None:
    """Raises ValidationError where nobody who can sign in would own the project after `user`."""
    # Two owners who demote each other at once would leave none: whoever asks first locks the project.
    Project.objects.select_for_update().get(pk=project.pk)
    owners = Membership.objects.filter(project=project, environment=None, role=Role.OWNER, user__is_active=True)
    if not owners.exclude(user=user).exists():
        raise ValidationError(
            gettext("This is the last owner of the project: make somebody else one first."), code="last_owner"
        )
