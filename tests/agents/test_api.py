"""Agents over the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows

AGENTS = "/api/v1/harbor/production/agents/"


@pytest.fixture
def get(client, cast):
    return lambda path, who="vera", **query: client.get(path, query, **cast.bearer(who))


def test_agents_tell_what_they_can_and_whether_they_answer(get, cast):
    online = rows.agent(cast.production, name="mail-1")
    rows.agent(cast.production, name="mail-2", seen_at=timezone.now() - timedelta(seconds=61))
    rows.agent(cast.production, name="web-1", role="producer", left_at=timezone.now())
    rows.agent(cast.staging, name="elsewhere")

    found = get(AGENTS).json()["results"]
    workers = get(AGENTS, role__in="worker").json()["results"]

    states = [("web-1", "offline"), ("mail-2", "silent"), ("mail-1", "online")]
    assert [(row["name"], row["state"]) for row in found] == states
    assert [row["name"] for row in workers] == ["mail-2", "mail-1"]
    assert set(get(f"{AGENTS}{online.pk}/").json()["engines"][0]["capabilities"]) == {"retry", "cancel"}
    assert "received" not in found[0]
