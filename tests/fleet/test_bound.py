"""What is asked of a worker only that worker does, whatever agent speaks for it; and a paused queue stays paused."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows, sealed
from tests import wire as sent
from z4j_brain.agents.models import Agent
from z4j_brain.fleet import actions, holds
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.operations import expiry, outbox
from z4j_brain.operations.models import Command, Item, Operation
from z4j_brain.tasks.ingest import ingest

VERBS = ("pause", "resume", "restart", "rate_limit")


@pytest.fixture
def crew(cast):
    """Two workers that take from emails, each with an agent, and one that does not."""
    names = {"one": ["emails"], "two": ["emails", "media"], "other": ["media"]}
    found = {}
    for name, queues in names.items():
        agent = rows.agent(cast.production, verbs=VERBS, name=name)
        found[name] = rows.worker(cast.production, name=name, agent=agent, queues=queues)
    return found


@pytest.fixture
def emails(cast):
    return rows.queue(cast.production)


@pytest.fixture
def olive(cast):
    return cast.actor("olive")


def answer(agent, command, outcome="done"):
    results = [{"item": target["item"], "outcome": outcome} for target in command["targets"]]
    told = {"v": 1, "boot": str(agent.boot), "command": command["id"], "fence": command["fence"], "results": results}
    return outbox.settle(agent, told)


def comes_back(cast, worker, **data):
    """The same worker, in a new process: another boot."""
    boot = uuid.uuid4()
    hello = sent.online(1) | {"kind": "agent.online"}
    hello["data"]["allowed"] = list(VERBS)
    hello["data"]["engines"][0] = {"name": "celery", "capabilities": {verb: {"note": ""} for verb in VERBS}}
    online = {"seq": 2, "kind": "worker.online", "ts": sent.now(), "engine": "celery", "worker": worker.name}
    told = {"started": sent.now(), "queues": worker.queues} | data
    ingest(cast.agent_key(), sent.parsed(hello, online | {"data": told}, boot=boot))
    return Agent.objects.get(boot=boot)


def lately(**delta):
    return timezone.now() + timedelta(**delta)


def test_a_verb_on_a_worker_is_never_given_to_another_agent(cast, crew, olive):
    actions.restart(cast.production, [crew["one"].pk], actor=olive)

    assert sealed.lease(crew["two"].agent, 5) == []
    Agent.objects.filter(pk=crew["one"].agent_id).update(seen_at=lately(minutes=-5))
    expiry.expire()
    assert sealed.lease(crew["two"].agent, 5) == []
    [command] = sealed.lease(crew["one"].agent, 5)
    assert [target["worker"] for target in command["targets"]] == ["one"]


def test_a_queue_is_paused_on_each_worker_that_takes_from_it(cast, crew, emails, olive):
    operation = actions.pause(cast.production, [emails.pk], actor=olive, reason="the relay is down")

    assert sorted(operation.items.values_list("part", flat=True)) == sorted(
        str(crew[name].pk) for name in ("one", "two")
    )
    assert sealed.lease(crew["other"].agent, 5) == []
    for name in ("one", "two"):
        [command] = sealed.lease(crew[name].agent, 5)
        assert [target["queue"] for target in command["targets"]] == ["emails"]
        answer(crew[name].agent, command)
    operation.refresh_from_db()
    emails.refresh_from_db()
    assert (operation.state, operation.succeeded) == ("succeeded", 2)
    assert (emails.paused_by, emails.paused_reason) == ("olive", "the relay is down")


def test_who_asks_for_a_pause_once_more_asks_only_those_that_were_not_asked(cast, crew, emails, olive):
    actions.pause(cast.production, [emails.pk], actor=olive)
    late = rows.worker(cast.production, name="late", queues=["emails"], agent=rows.agent(cast.production, verbs=VERBS))

    again = actions.pause(cast.production, [emails.pk], actor=cast.actor("oscar"))

    asked = dict(again.items.values_list("part", "left_out"))
    assert asked == {str(crew[name].pk): "already_asked" for name in ("one", "two")} | {str(late.pk): ""}


@pytest.mark.parametrize("taken", [False, True])
def test_a_worker_that_comes_back_is_still_told_to_pause_but_not_to_restart(cast, crew, emails, olive, taken):
    actions.pause(cast.production, [emails.pk], actor=olive)
    actions.restart(cast.production, [crew["one"].pk], actor=olive)
    if taken:
        assert len(sealed.lease(crew["one"].agent, 5)) == 2

    agent = comes_back(cast, crew["one"])
    expiry.expire(lately(seconds=31))

    assert Worker.objects.get(name="one").agent == agent
    assert [command["verb"] for command in sealed.lease(agent, 5)] == ["pause"]
    assert Command.objects.get(verb="restart").audience == crew["one"].agent


def test_two_who_restart_a_worker_restart_it_once(cast, crew, olive):
    actions.restart(cast.production, [crew["one"].pk], actor=olive)

    second = actions.restart(cast.production, [crew["one"].pk], actor=cast.actor("adam"))

    assert second.items.get().left_out == "already_asked"
    assert "olive" in second.items.get().detail


def test_a_new_worker_of_a_paused_queue_is_told_to_pause_by_the_system(cast, crew, emails, olive):
    Queue.objects.filter(pk=emails.pk).update(paused_at=lately(minutes=-5), paused_by="olive")
    Worker.objects.filter(name="one").update(facts={"paused": ["emails"]})
    Worker.objects.filter(name="other").update(queues=["emails"], heartbeat_at=lately(minutes=-5))

    for _ in range(2):
        holds.keep()

    operation = Operation.objects.get()
    assert (operation.action, operation.actor_type, operation.total) == ("queue.pause", "system", 1)
    assert operation.items.get().part == str(crew["two"].pk)
    assert "paused by olive" in operation.reason
    emails.refresh_from_db()
    assert (emails.paused_by, emails.paused_at < lately(minutes=-4)) == ("olive", True)
    [command] = sealed.lease(crew["two"].agent, 5)
    answer(crew["two"].agent, command, "failed")
    holds.keep()
    assert Operation.objects.count() == 1
    holds.keep(lately(seconds=61))
    assert Operation.objects.count() == 2


def test_who_cannot_pause_or_may_not_is_left_alone(cast, crew, emails):
    Queue.objects.filter(pk=emails.pk).update(paused_at=lately(minutes=-5), paused_by="olive")
    Agent.objects.filter(name="one").update(allowed=["resume"])
    Agent.objects.filter(name="two").update(left_at=timezone.now())

    holds.keep()

    assert not Operation.objects.exists()


def test_a_queue_that_was_resumed_while_nobody_took_from_it_is_not_paused_again(cast, crew, emails, olive):
    Queue.objects.filter(pk=emails.pk).update(paused_at=lately(minutes=-5), paused_by="olive")
    Worker.objects.update(heartbeat_at=lately(minutes=-5))
    resumed = actions.resume(cast.production, [emails.pk], actor=olive)
    assert resumed.items.get().left_out == "nobody_takes"

    Worker.objects.update(heartbeat_at=timezone.now())
    holds.keep()

    assert Item.objects.count() == 1


@pytest.mark.parametrize("told", ["it ends", "it ends before its answer is here", "another begins in its place"])
def test_a_worker_that_was_told_to_restart_has_done_it_once_its_process_has_ended(cast, crew, olive, told):
    worker = crew["one"]
    Worker.objects.filter(pk=worker.pk).update(started_at=timezone.now() - timedelta(hours=1))
    operation = actions.restart(cast.production, [worker.pk], actor=olive)
    [command] = sealed.lease(worker.agent)
    offline = {"seq": 7, "kind": "worker.offline", "ts": sent.now(), "engine": "celery", "worker": worker.name}
    steps = {
        "answers": lambda: answer(worker.agent, command, "requested"),
        "ends": lambda: ingest(worker.agent.key, sent.parsed(offline, boot=worker.agent.boot)),
        "comes": lambda: comes_back(cast, worker),
    }
    order = {"it ends": ["answers", "ends"], "another begins in its place": ["answers", "comes"]}

    for step in order.get(told, ["ends", "answers"]):
        steps[step]()

    assert Item.objects.get(operation=operation).outcome == "done"
    assert Operation.objects.get(pk=operation.pk).state == "succeeded"
