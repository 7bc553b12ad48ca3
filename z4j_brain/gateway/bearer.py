"""Who knocks at the agents' door: a bearer against the keys in the database, looked up anew every five seconds."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time

from django.db import DatabaseError
from django.utils import timezone
from z4j_core import dsn

from z4j_brain.agents import ingest, queries
from z4j_brain.agents.models import AgentKey
from z4j_brain.lib.problem import Problem

#: How long a key is believed without asking the database. With the second between two looks at who waits, a revoked
#: key is served for less than five.
TRUSTED_FOR = 3.5
MAX_REMEMBERED = 10_000

logger = logging.getLogger(__name__)
_remembered: dict[str, tuple[float, AgentKey | None]] = {}


class Unauthorized(Problem):
    """The bearer is not in force."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(401, code, "Not signed in", detail)
        self.headers["WWW-Authenticate"] = "Bearer"


def authenticate(header: str) -> AgentKey:
    """The key behind an Authorization header. Raises Unauthorized."""
    bearer, kid = _parts(header)
    key = _key(kid) if kid else None
    try:
        return _proven(bearer, key)
    except Unauthorized as refusal:
        if key is not None:
            _tell(key, refusal.code)
        raise


def _tell(key: AgentKey, code: str) -> None:
    """Let whoever connects this agent read why it was turned away. It is turned away all the same."""
    try:
        ingest.refused(key, code)
    except DatabaseError as error:
        logger.warning("refusal_not_told error=%s", type(error).__name__)


def recall(header: str) -> AgentKey | None:
    """The same without a look into the database; None when that is needed."""
    bearer, kid = _parts(header)
    asked_at, key = _remembered.get(kid, (-TRUSTED_FOR, None))
    return _proven(bearer, key) if time.monotonic() - asked_at < TRUSTED_FOR else None


def _parts(header: str) -> tuple[str, str]:
    """Bearer and key id; no key id when this is no bearer of an agent."""
    scheme, _, bearer = header.partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        raise Unauthorized("token_missing", "Send Authorization: Bearer, as the DSN says.")
    prefix, _, rest = bearer.partition("_")
    kid = rest.partition("_")[0]
    return bearer, kid if prefix == dsn.PREFIX and 0 < len(kid) <= 16 else ""


def _proven(bearer: str, key: AgentKey | None) -> AgentKey:
    digest = hashlib.sha256(bearer.encode(errors="replace")).hexdigest()
    if not hmac.compare_digest(digest, key.bearer_hash if key else "-" * 64) or key is None:
        raise Unauthorized("token_unknown", "No agent key of this brain belongs to this bearer.")
    if key.revoked_at is not None:
        raise Unauthorized("token_revoked", "This agent key was revoked.")
    if key.expires_at <= timezone.now():
        raise Unauthorized("token_expired", "This agent key has expired: mint a new one.")
    return key


def forget() -> None:
    """Ask the database again for every key."""
    _remembered.clear()


def _key(kid: str) -> AgentKey | None:
    now = time.monotonic()
    asked_at, key = _remembered.get(kid, (-TRUSTED_FOR, None))
    if now - asked_at >= TRUSTED_FOR:
        if len(_remembered) >= MAX_REMEMBERED:
            _remembered.clear()
        key = queries.key_of(kid)
        _remembered[kid] = (now, key)
    return key
