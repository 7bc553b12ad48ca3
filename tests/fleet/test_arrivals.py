"""The first run: each step of the page turns by what the brain has seen, and what keeps an agent is told in words."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from z4j_core import dsn as dsns

from tests import rows
from z4j_brain.agents import actions, guides
from z4j_brain.agents.models import AgentKey
from z4j_brain.gateway import bearer
from z4j_brain.rbac.actor import SYSTEM

PLACE = {"project": "harbor", "environment": "production"}


@pytest.fixture
def page(client, cast):
    def page(who="olive", **query):
        client.force_login(cast.user(who), backend="django.contrib.auth.backends.ModelBackend")
        answer = client.get(reverse("connect", kwargs=PLACE), {"with": "celery"} | query)
        assert answer.status_code == 200
        return answer.content.decode()

    return page


@pytest.fixture(autouse=True)
def forget():
    bearer.forget()
    yield
    bearer.forget()


def steps(html):
    """The classes of the three steps."""
    return [re.search(rf'class="step (\w+)" id="step-{name}"', html)[1] for name in STEPS]


STEPS = ("install", "start", "task")


def test_each_step_turns_when_the_brain_has_seen_it(page, cast):
    assert steps(page()) == ["now", "now", "later"]
    rows.agent(cast.production, name="web-1", role="producer")
    said = page()
    assert steps(said) == ["done", "now", "later"]
    assert "web-1 is heard as a producer; no worker has called yet." in said
    rows.agent(cast.production, name="mail-7")
    said = page()
    assert steps(said) == ["done", "done", "now"]
    assert "mail-7 is connected" in said
    rows.task(cast.island, name="canary")
    assert "canary" not in page()
    rows.task(cast.production, name="shop.send", first_at=timezone.now() - timedelta(days=9))
    said = page()
    assert steps(said) == ["done", "done", "done"]
    assert "shop.send is seen" in said


def test_the_steps_of_an_engine_wait_for_a_worker_and_a_task_of_its_own(page, cast):
    rows.agent(cast.production, name="mail-7")
    rows.task(cast.production, name="shop.send")
    said = page(**{"with": "rq"})
    assert steps(said) == ["now", "now", "later"]
    assert "mail-7" not in said

    rows.agent(cast.production, name="rq-1", engines=[{"name": "rq", "version": "2", "capabilities": {}}])
    said = page(**{"with": "rq"})
    assert steps(said) == ["done", "done", "now"]
    assert "rq-1 is connected" in said


@pytest.mark.parametrize(
    ("changes", "presented", "told"),
    [
        ({}, "another", "with the id of the key cast and another secret: refused."),
        ({"revoked_at": timezone.now()}, "", "calls with the key cast, which was revoked."),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "", "calls with the key cast, which has expired."),
    ],
)
def test_a_refused_agent_is_told_in_words_to_who_makes_keys(page, cast, changes, presented, told):
    key, dsn = actions.mint_key(cast.production, name="cast", actor=SYSTEM)
    AgentKey.objects.filter(pk=key.pk).update(**changes)
    secret = dsn.partition("_")[2].partition("@")[0].partition("_")[2]
    header = f"Bearer {dsns.bearer(key.kid, presented or secret)}"
    with pytest.raises(bearer.Unauthorized):
        bearer.authenticate(header)

    said = page()

    assert told in said
    assert steps(said)[:2] == ["done", "now"]
    assert told not in page(who="oscar")

    AgentKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now() + timedelta(seconds=1))
    assert told not in page()


def test_a_stranger_who_names_no_key_of_ours_writes_nothing(page, cast):
    with pytest.raises(bearer.Unauthorized):
        bearer.authenticate(f"Bearer {dsns.bearer('deadbeef', 'x' * 48)}")

    assert not AgentKey.objects.exclude(refused_at=None).exists()


def test_nobody_who_called_a_clock_and_a_goodbye_are_told(page, cast):
    actions.mint_key(cast.production, name="box", actor=SYSTEM)
    assert "Waiting for the first heartbeat" in page()
    AgentKey.objects.update(created_at=timezone.now() - timedelta(minutes=3))
    assert "Nothing has called with the key" in page()
    agent = rows.agent(cast.production, name="mail-7", clock_us=-9_000_000)
    assert "s away from the brain&#x27;s." in page()
    agent.clock_us, agent.left_at = 0, timezone.now()
    agent.save()
    assert "mail-7 was connected and said goodbye." in page()


def test_every_engine_is_offered_with_every_framework_and_only_where_it_fits(page, cast):
    assert len(list(guides.every())) > 20
    for guide in guides.every():
        chosen = {"in": guide.framework.slug} if guide.framework else {}
        said = page(**{"with": guide.engine.slug}, **chosen)
        for line in guide.lines:
            assert line in said.replace("&quot;", '"').replace("&#x27;", "'"), (guide.engine.slug, line)
    assert ">Plain</a>" not in page(**{"with": "djangotasks"})
    assert "Install the agent" in page(**{"with": "absent", "in": "nowhere"})
