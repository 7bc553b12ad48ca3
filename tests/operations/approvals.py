"""What tests of approvals stand on: an environment as it comes out of the box, and a purge that waits in it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests import rows
from z4j_brain.fleet import actions as fleet
from z4j_brain.ledger.models import Entry
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.models import ApprovalPolicy, Token
from z4j_brain.rbac.states import Permission


@pytest.fixture
def stage(cast):
    """Harbor's production as it comes out of the box: olive and adam could approve, oscar may ask."""
    ApprovalPolicy.objects.all().delete()
    verbs = ("retry", "cancel", "purge", "restart", "pause", "resume")
    agent = rows.agent(cast.production, verbs=verbs)
    queue = rows.queue(cast.production)
    rows.worker(cast.production, agent=agent, queues=["emails"])
    return SimpleNamespace(cast=cast, place=cast.production, agent=agent, queue=queue, actor=cast.actor)


@pytest.fixture
def purge(stage):
    """A purge that adam asks for."""
    return fleet.purge(stage.place, [stage.queue.pk], actor=stage.actor("adam"), reason="a flood")


def entries(operation):
    told = Entry.objects.filter(target_id=str(operation.pk)).order_by("id")
    return [(one.phase, one.action, one.outcome) for one in told]


def refused(call, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)
    return caught.value.rule


def service_token(stage, minted_by):
    """A token of the project, that belongs to nobody, and was made by a person."""
    like = Token.objects.filter(user__username="vera").get()
    return Token.objects.create(
        user=None,
        minted_by=stage.cast.user(minted_by),
        project=stage.cast.harbor,
        name="deploys",
        kid="service-1",
        secret_hash=like.secret_hash,
        scopes=Permission.values,
        expires_at=like.expires_at,
    )
