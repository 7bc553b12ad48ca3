"""Housekeeping ends what is over and forgets what nobody asks for again, however often it runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import wire as sent
from tests.cast import Cast
from z4j_brain.agents.models import Agent, Batch
from z4j_brain.housekeeping import loops
from z4j_brain.operations.models import Command, IdempotencyKey, Operation
from z4j_brain.tasks import actions
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Event, Task


@pytest.fixture
def cast(db) -> Cast:
    cast = Cast.create()
    ingest(cast.agent_key(), sent.parsed(sent.event(1, "task.failed"), boot=sent.BOOT))
    ingest(cast.agent_key(), sent.parsed(sent.online(1), role="producer"))
    return cast


def retry(cast: Cast) -> Operation:
    return actions.retry(cast.production, [Task.objects.get().pk], {"wait": True}, actor=cast.actor("oscar"))


def test_an_operation_nobody_takes_up_ends_by_itself(cast):
    operation = retry(cast)
    Operation.objects.update(expires_at=timezone.now())

    loops.run_once()
    loops.run_once()

    operation.refresh_from_db()
    assert (operation.state, operation.items.get().outcome) == ("expired", "no_agent")


def test_old_answers_and_used_keys_are_forgotten_and_nothing_younger(cast):
    long_ago = timezone.now() - timedelta(days=9)
    IdempotencyKey.objects.create(owner="o", key="old", digest="", operation=retry(cast), created_at=long_ago)
    loops.run_once()
    assert (Batch.objects.count(), Agent.objects.count(), IdempotencyKey.objects.count()) == (2, 2, 0)

    Batch.objects.update(received_at=long_ago)
    loops.run_once()

    assert (Batch.objects.count(), Agent.objects.count()) == (0, 2)


def test_an_agent_is_forgotten_a_day_after_the_last_of_its_events_has_gone(cast):
    Agent.objects.update(seen_at=timezone.now() - timedelta(days=15))
    Agent.objects.filter(boot=sent.BOOT).update(seen_at=timezone.now() - timedelta(days=17))
    Event.objects.update(received_at=timezone.now() - timedelta(days=17))
    named = retry(cast).commands.get()
    Command.objects.update(leased_by=Agent.objects.get(boot=sent.BOOT))

    loops.run_once()
    loops.run_once()
    assert (Event.objects.count(), Agent.objects.count()) == (0, 2)  # a command names it still
    named.delete()
    loops.run_once()

    assert Agent.objects.get().boot != sent.BOOT


def test_an_event_is_a_duplicate_long_after_its_batch_was_forgotten(cast):
    Batch.objects.all().delete()

    answer = ingest(cast.agent_key(), sent.parsed(sent.event(1, "task.failed"), boot=sent.BOOT))

    assert (answer["accepted"], answer["duplicates"]) == (0, [1])
