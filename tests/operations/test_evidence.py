"""What events tell stands above what nobody answered: nothing is sent twice, and no doubt outlives what came of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from z4j_core.engine import Target

from tests import rows, sealed
from z4j_brain.operations import actions, expiry, outbox
from z4j_brain.operations.models import Command, Operation
from z4j_brain.tasks import actions as tasks


@pytest.fixture
def agents(cast):
    return [rows.agent(cast.production, verbs=("retry", "cancel", "run"), name=f"w{number}") for number in range(2)]


@pytest.fixture
def retry(cast):
    """A retry of so many failed tasks, by oscar."""

    def retry(count=2, **options):
        ids = [rows.task(cast.production).pk for _ in range(count)]
        return tasks.retry(cast.production, ids, options, actor=cast.actor("oscar"))

    return retry


def arrives(place, command, target, **more):
    """An event tells of the task that was made for a target."""
    new = Target(target["task_id"], command["id"], target["item"]).new_task_id()
    return rows.task(place, task_id=new, **{"state": "queued"} | more)


def answer(agent, command, outcome, **more):
    results = [{"item": target["item"], "outcome": outcome, **more} for target in command["targets"]]
    told = {"v": 1, "boot": str(agent.boot), "command": command["id"], "fence": command["fence"], "results": results}
    return outbox.settle(agent, told)


def cut_off(seconds=31):
    expiry.expire(timezone.now() + timedelta(seconds=seconds))


def outcomes(operation):
    return list(operation.items.order_by("id").values_list("outcome", flat=True))


def test_what_arrived_before_the_agent_was_cut_off_is_done_and_only_the_rest_is_sent_again(cast, agents, retry):
    operation = retry(3)
    [command] = sealed.lease(agents[0])
    first, second, third = command["targets"]
    new = arrives(cast.production, command, second)
    cut_off()

    [again] = sealed.lease(agents[1])

    assert [target["item"] for target in again["targets"]] == [first["item"], third["item"]]
    assert outcomes(operation) == [None, "done", None]
    assert operation.items.get(pk=second["item"]).new_task_id == new.task_id
    for target in (first, third):
        arrives(cast.production, command, target)
    cut_off()
    assert sealed.lease(agents[0]) == []
    operation.refresh_from_db()
    assert (operation.state, outcomes(operation)) == ("succeeded", ["done"] * 3)
    assert Command.objects.get().state == "settled"


@pytest.mark.parametrize("ending", ["unknown", "expired", "set_aside"])
def test_a_doubt_is_settled_by_the_event_that_comes_later(cast, agents, retry, ending):
    operation = retry(1)
    [command] = sealed.lease(agents[0])
    match ending:
        case "unknown":
            answer(agents[0], command, "unknown", detail="Cut off in the act.")
        case "expired":
            expiry.expire(timezone.now() + timedelta(minutes=11))
        case "set_aside":
            cut_off()
            for _ in range(2):
                assert sealed.lease(agents[0])
                cut_off()
    expiry.reconsider()
    assert outcomes(operation) == [ending]

    arrives(cast.production, command, command["targets"][0])
    expiry.reconsider()

    operation.refresh_from_db()
    assert (outcomes(operation), operation.state, operation.succeeded) == (["done"], "succeeded", 1)


def test_that_a_task_was_run_is_told_by_its_events_too(cast, agents):
    pay = rows.registered(cast.production)
    operation = tasks.run(cast.production, [pay.pk], {"args": [], "kwargs": {}}, actor=cast.actor("oscar"))
    [command] = sealed.lease(agents[0])
    arrives(cast.production, command, command["targets"][0])
    cut_off()

    assert command["targets"][0]["name"] == "shop.pay"
    assert sealed.lease(agents[1]) == []
    assert outcomes(operation) == ["done"]


def test_what_an_agent_has_not_answered_for_is_not_sent_again_once_the_rest_was_cancelled(cast, agents, retry):
    operation = retry(2, rate=1)
    assert len(sealed.lease(agents[0], limit=2)) == 1

    actions.cancel(operation, actor=cast.actor("oscar"))
    cut_off()

    assert sealed.lease(agents[1], 5) == []
    operation.refresh_from_db()
    assert (sorted(outcomes(operation)), operation.state) == (["cancelled", "unknown"], "cancelled")


def test_time_that_an_operation_stands_still_does_not_count(cast, agents, retry):
    operation = retry(2, stop_after=1)
    oscar = cast.actor("oscar")
    sealed.lease(agents[0])
    before = Operation.objects.get().expires_at
    actions.pause(operation, actor=oscar)
    assert sealed.lease(agents[1]) == []
    Operation.objects.update(paused_at=timezone.now() - timedelta(hours=2))
    expiry.expire(timezone.now() + timedelta(minutes=30))
    assert Operation.objects.get().state == "paused"

    actions.resume(operation, actor=oscar)

    operation.refresh_from_db()
    assert operation.expires_at - before >= timedelta(hours=2)
    assert {command.expires_at for command in Command.objects.all()} == {operation.expires_at}
    assert sealed.lease(agents[1])


def test_undo_cancels_what_was_enqueued_as_an_operation_of_its_own(cast, agents, retry, ask):
    operation = retry(3, rate=1)
    [command] = sealed.lease(agents[0])
    new = arrives(cast.production, command, command["targets"][0])
    answer(agents[0], command, "done", new_task_id=new.task_id)

    answered = ask(f"operations/{operation.pk}/undo/", reason="the wrong ones").json()

    operation.refresh_from_db()
    assert (operation.state, sorted(outcomes(operation))) == ("cancelled", ["cancelled", "cancelled", "done"])
    assert (answered["parent"], answered["relation"], answered["action"]) == (str(operation.pk), "undo", "task.cancel")
    undoing = Operation.objects.get(pk=answered["id"])
    assert [item.target_id for item in undoing.items.all()] == [str(new.pk)]
    assert ask(f"operations/{undoing.pk}/undo/").status_code == 409


def test_where_nothing_was_enqueued_undo_takes_back_what_waits_and_asks_for_nothing(cast, agents, retry, ask):
    operation = retry(2)

    answered = ask(f"operations/{operation.pk}/undo/").json()

    assert (answered["id"], answered["state"]) == (str(operation.pk), "cancelled")
    assert Operation.objects.count() == 1
    assert sealed.lease(agents[0], 5) == []


@pytest.mark.parametrize("steer", ["pause", "resume", "cancel"])
def test_what_has_ended_cannot_be_steered_and_says_so(agents, retry, ask, steer):
    operation = retry(1)
    [command] = sealed.lease(agents[0])
    answer(agents[0], command, "done")

    refused = ask(f"operations/{operation.pk}/{steer}/")

    assert (refused.status_code, refused.json()["code"]) == (409, "not_now")
    assert "succeeded" in refused.json()["detail"]
