"""`Idempotency-Key`: under one key, whoever asks gets one operation, for 24 hours, however often they ask."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.lib.problem import Problem
from z4j_brain.operations import queries
from z4j_brain.operations.models import IdempotencyKey, Operation
from z4j_brain.rbac.actor import Actor

KEPT = timedelta(hours=24)
MAX_LENGTH = 255


class Taken(Exception):
    """Somebody else used the key a moment ago."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One use of a key. `digest` is of what is asked for, so that a key stands for one request only."""

    owner: str
    key: str
    digest: str

    @classmethod
    def of(cls, actor: Actor, key: str, address: str, body: Any) -> Claim:
        if not (0 < len(key) <= MAX_LENGTH and key.isascii() and key.isprintable()):
            detail = f"1 to {MAX_LENGTH} printable ASCII characters."
            raise Problem(400, "invalid", "Invalid request", "", [{"pointer": "Idempotency-Key", "detail": detail}])
        asked = json.dumps([address, body], sort_keys=True).encode()
        return cls(f"{actor.type}:{actor.id}", key, hashlib.sha256(asked).hexdigest())

    def answered(self) -> Operation | None:
        """The operation that this key has already led to. A problem of status 422 when it was another request."""
        used = queries.of_key(self.owner, self.key)
        if used is None or used.created_at < timezone.now() - KEPT:
            return None
        if used.digest != self.digest:
            raise Problem(
                422,
                "idempotency_key_reused",
                gettext("Idempotency key was used for another request"),
                gettext("This Idempotency-Key belongs to a request with another address or body. Take a new key."),
            )
        return used.operation

    def take(self, operation: Operation) -> None:
        """Remember what the key led to, in the transaction that makes it: of two at once, the second leaves nothing."""
        own = IdempotencyKey.objects.filter(owner=self.owner, key=self.key)
        own.filter(created_at__lt=timezone.now() - KEPT).delete()
        try:
            IdempotencyKey.objects.create(owner=self.owner, key=self.key, digest=self.digest, operation=operation)
        except IntegrityError:
            raise Taken from None
