"""Second factors as a person's own page shows them, and the codes that have been used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.db import transaction

from z4j_brain.rbac.models import User

#: Codes of an authenticator app that are good at the same time: the last, this one and the next.
WINDOW = 3


@dataclass(frozen=True, slots=True)
class Passkey:
    id: int
    name: str
    signs_in: bool
    added_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Factors:
    """What somebody has: an authenticator app, passkeys, and how many recovery codes that were not used yet."""

    app: Authenticator | None
    passkeys: list[Passkey]
    codes: Authenticator | None
    codes_left: int

    @property
    def any(self) -> bool:
        return self.app is not None or bool(self.passkeys)


def of(user: User) -> Factors:
    rows = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    by_type = {row.type: row for row in rows}
    codes = by_type.get(Authenticator.Type.RECOVERY_CODES)
    passkeys = [
        Passkey(row.pk, row.wrap().name, bool(row.wrap().is_passwordless), row.created_at, row.last_used_at)
        for row in rows
        if row.type == Authenticator.Type.WEBAUTHN
    ]
    left = len(codes.wrap().get_unused_codes()) if codes else 0
    return Factors(by_type.get(Authenticator.Type.TOTP), passkeys, codes, left)


def count(user: User) -> int:
    return int(Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES).count())


def use_up(app: Authenticator, code: str) -> bool:
    """Was this code of an authenticator app not used before? From now on it is, in every process."""
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().get(pk=app.pk)
        used = list(row.data.get("used", []))
        if code in used:
            return False
        row.data["used"] = [*used, code][-WINDOW:]
        row.save(update_fields=["data"])
    return True
