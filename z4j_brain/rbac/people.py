"""People, as the identity provider's word on them is taken."""

from __future__ import annotations

from z4j_brain.rbac.models import User


def with_address(email: str) -> User | None:
    """The one active person with this e-mail address; None when nobody has it, or more than one."""
    found = list(User.objects.filter(email__iexact=email, is_active=True)[:2]) if email else []
    return found[0] if len(found) == 1 else None
