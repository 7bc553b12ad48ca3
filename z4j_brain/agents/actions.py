"""What people ask of an environment's agent keys."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from z4j_core import dsn

from z4j_brain.agents.models import AgentKey
from z4j_brain.ledger.states import Phase
from z4j_brain.lib import keys
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.fresh import Fresh
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission


@action(Permission.MANAGE_AGENTS, "agent_key.mint", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def mint_key(
    environment: Environment, *, name: str, days: int = 180, actor: Actor, reason: str = "", record: Record
) -> tuple[AgentKey, str]:
    """A new key for the environment's agents, and the DSN that carries it, which nobody can show again."""
    kid, secret = secrets.token_hex(6), secrets.token_hex(24)
    bearer = dsn.bearer(kid, secret)
    key = AgentKey.objects.create(
        environment=environment,
        name=name,
        kid=kid,
        bearer_hash=hashlib.sha256(bearer.encode()).hexdigest(),
        expires_at=timezone.now() + timedelta(days=days),
    )
    record.target("agent_key", key.pk)
    record.params({"kid": kid, "name": name, "days": days})
    return key, _dsn(environment, kid, secret)


@action(Permission.MANAGE_AGENTS, "agent_key.revoke", phase=Phase.ADMIN, fresh=Fresh.PEOPLE)
def revoke_key(key: AgentKey, *, actor: Actor, reason: str = "", record: Record) -> None:
    """End a key: agents that present it are refused within 5 s. Revoking twice changes nothing."""
    AgentKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    record.params({"kid": key.kid})


def _dsn(environment: Environment, kid: str, secret: str) -> str:
    brain = urlsplit(settings.Z4J_URL)
    place = f"{brain.path.rstrip('/')}/{environment.project.slug}/{environment.slug}"
    return f"{brain.scheme}://{dsn.PREFIX}_{kid}_{secret}@{brain.netloc}{place}?key={keys.ring().fingerprint}"
