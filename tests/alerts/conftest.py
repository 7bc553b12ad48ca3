"""Rules of harbor's production, and a receiver that the brain trusts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.audit.conftest import server
from tests.audit.receivers import Server
from tests.cast import Cast
from z4j_brain.alerts import actions, sending, turn
from z4j_brain.alerts.models import Channel, Delivery, Rule
from z4j_brain.alerts.states import ChannelKind
from z4j_brain.rbac.actor import SYSTEM

__all__ = ["server"]


@pytest.fixture
def channel(cast: Cast, server: Server) -> Channel:
    return actions.add_channel(cast.production, "pager", ChannelKind.WEBHOOK, server.address, actor=SYSTEM)[0]


@pytest.fixture
def rule(cast: Cast, channel: Channel) -> Callable[..., Rule]:
    """A rule that tells the receiver, and began to watch long ago."""

    def rule(kind: str, settings: dict[str, Any], **more: Any) -> Rule:
        asked = {"name": kind, "kind": kind, "settings": settings, "channels": [channel.pk], "cooldown_minutes": 0}
        made = actions.create_rule(cast.production, asked | more, actor=SYSTEM)
        Rule.objects.filter(pk=made.pk).update(changed_at=timezone.now() - timedelta(days=1))
        return made

    return rule


@pytest.fixture
def told(server: Server) -> Callable[[], list[dict[str, Any]]]:
    """What the receiver got since it was last asked, after a turn of housekeeping for which it is time."""

    def told() -> list[dict[str, Any]]:
        past = timezone.now() - timedelta(seconds=1)
        Rule.objects.update(next_at=past)
        Delivery.objects.update(next_at=past)
        turn.look(timezone.now())
        sending.turn()
        found = [json.loads(body) for _, _, body in server.requests]
        server.requests.clear()
        return found

    return told
