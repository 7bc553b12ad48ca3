"""What of the tenancy takes a second person, where a policy says so: who becomes admin or owner, or as good as one."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from z4j_brain.rbac.approvals import Wish
from z4j_brain.rbac.models import Environment, Project
from z4j_brain.rbac.states import GUARDED, ROLE_PERMISSIONS, Effect, Permission, Role

#: The rule of the policy, whatever way somebody comes by such a role.
RULE = "member.set_role"


def of_role(place: Project | Environment, who: Any, role: Role | None, **_: Any) -> Wish | None:
    """To give somebody, known or invited, a role that only owners give."""
    return _wish(place, who, role, {}) if role is not None and ROLE_PERMISSIONS[Role(role)] & GUARDED else None


def of_grant(place: Project | Environment, who: Any, what: Role | Permission, **options: Any) -> Wish | None:
    """To grant such a role, or a permission that makes one. What is denied takes nobody else."""
    held = ROLE_PERMISSIONS[what] if isinstance(what, Role) else {what}
    if options.get("effect", Effect.ALLOW) != Effect.ALLOW or not held & GUARDED:
        return None
    return _wish(place, who, what, {name: str(value) for name, value in sorted(options.items()) if value})


def _wish(place: Project | Environment, who: Any, what: Role | Permission, more: dict[str, str]) -> Wish:
    kept = str(who.pk) if isinstance(who, Model) else str(who)
    return Wish(place, {"who": str(who), "id": kept, "what": what.label, "where": str(place), **more}, RULE)
