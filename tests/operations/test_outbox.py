"""From a wish to an effect: leases with fences, answers early, late and twice, and what happens when none comes."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.http import Http404
from django.utils import timezone

from tests import sealed
from tests import wire as sent
from tests.cast import Cast
from z4j_brain.agents.models import Agent
from z4j_brain.ledger.models import Entry
from z4j_brain.operations import expiry, outbox
from z4j_brain.operations.models import Command, Item, LateResult, Operation
from z4j_brain.rbac.action import Refused
from z4j_brain.tasks import actions
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Task

BOOTS = [uuid.UUID(int=number) for number in range(1, 4)]
RUN = sent.START + 100


class Scene:
    """Harbor's production: a worker's agent, a failed task and a running one."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.key, self.place = cast, cast.agent_key(), cast.production
        self.oscar = cast.actor("oscar")
        self.worker = self.join(BOOTS[0])
        self.report(sent.event(2, "task.failed", "failed", run=RUN, vault="v1", name="shop.pay", queue="mail"))
        self.report(sent.event(3, "task.started", "running", run=RUN))
        self.failed, self.running = Task.objects.get(task_id="failed"), Task.objects.get(task_id="running")

    def join(self, boot: uuid.UUID, **more: Any) -> Agent:
        ingest(self.key, sent.parsed(sent.online(1, **more), boot=boot))
        return Agent.objects.get(boot=boot)

    def report(self, event: dict[str, Any], boot: uuid.UUID = BOOTS[0]) -> None:
        ingest(self.key, sent.parsed(event, boot=boot))

    def retry(self, *tasks: Task) -> Operation:
        return actions.retry(self.place, [task.pk for task in tasks or [self.failed]], actor=self.oscar, reason="try")

    def cancel(self) -> Operation:
        return actions.cancel(self.place, [self.running.pk], actor=self.oscar)


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return Scene(cast)


def answer(agent: Agent, command: Any, outcome: str, fence: int = 0, **more: Any) -> bool:
    results = [{"item": target["item"], "outcome": outcome, **more} for target in command["targets"]]
    told = {"v": 1, "boot": str(agent.boot), "command": command["id"], "results": results}
    return outbox.settle(agent, told | {"fence": fence or command["fence"]})


def later(**delta: int) -> Any:
    return timezone.now() + timedelta(**delta)


def test_a_retry_reaches_the_agent_that_keeps_the_originals_and_its_answer_settles_it(scene):
    other = scene.join(BOOTS[1], vault="v2")
    operation = scene.retry()

    assert sealed.lease(other) == []
    [command] = sealed.lease(scene.worker)

    assert (command["verb"], command["engine"], command["fence"]) == ("retry", "celery", 1)
    assert (command["project"], command["environment"]) == ("harbor", "production")
    assert command["targets"][0] | {"item": 0} == {
        "item": 0, "task_id": "failed", "name": "shop.pay", "queue": "mail", "worker": "", "vault": "v1",
    }  # fmt: skip
    assert Operation.objects.get().state == "running"

    assert answer(scene.worker, command, "done", new_task_id="failed-again")
    operation.refresh_from_db()
    item = operation.items.get()
    assert (operation.state, operation.succeeded, operation.settled) == ("succeeded", 1, 1)
    assert (item.outcome, item.new_task_id, item.progress) == ("done", "failed-again", "settled")


def test_request_dispatch_and_result_are_entries_that_belong_together(scene):
    operation = scene.retry()
    [command] = sealed.lease(scene.worker)
    answer(scene.worker, command, "done")

    entries = Entry.objects.filter(action="task.retry").order_by("ts")
    assert [(one.phase, one.actor_type, one.outcome) for one in entries] == [
        ("request", "user", "allowed"),
        ("dispatch", "system", "allowed"),
        ("result", "agent", "succeeded"),
    ]
    assert all(f'"parent":"{operation.entry_id}"'.encode() in bytes(one.body) for one in entries[1:])


def test_a_command_goes_only_to_agents_that_offer_the_verb_and_are_let(scene):
    scene.report(sent.online(9, allowed=("cancel",)))
    scene.worker.refresh_from_db()
    scene.retry()

    assert sealed.lease(scene.worker) == []


def test_an_agent_of_another_environment_gets_nothing_and_settles_nothing(scene):
    ingest(scene.cast.agent_key("island", "production"), sent.parsed(sent.online(1), boot=BOOTS[2]))
    stranger = Agent.objects.get(boot=BOOTS[2])
    scene.retry()

    assert sealed.lease(stranger) == []
    [command] = sealed.lease(scene.worker)
    assert not answer(stranger, command, "done")
    assert Item.objects.get().outcome is None


def test_the_same_answer_twice_counts_once(scene):
    operation = scene.retry()
    [command] = sealed.lease(scene.worker)

    assert answer(scene.worker, command, "done")
    assert answer(scene.worker, command, "failed")

    operation.refresh_from_db()
    assert (operation.state, operation.settled, LateResult.objects.count()) == ("succeeded", 1, 0)


def test_an_answer_to_an_older_lease_is_kept_as_late_and_changes_nothing(scene):
    operation = scene.retry()
    other = scene.join(BOOTS[1])
    [first] = sealed.lease(scene.worker)
    expiry.expire(later(seconds=31))
    Command.objects.update(audience=None)
    [second] = sealed.lease(other)

    assert ("held_by" in first, second["fence"], second["held_by"]) == (False, 2, [str(BOOTS[0])])
    assert not answer(scene.worker, first, "failed")
    assert LateResult.objects.get().fence == 1
    assert Operation.objects.get().settled == 0

    assert answer(other, second, "done")
    operation.refresh_from_db()
    assert operation.state == "succeeded"


def test_an_answer_after_the_lease_ran_out_counts_while_nobody_else_has_taken_it(scene):
    scene.retry()
    [command] = sealed.lease(scene.worker)
    expiry.expire(later(seconds=31))

    assert answer(scene.worker, command, "done")
    assert sealed.lease(scene.worker) == []
    assert Operation.objects.get().state == "succeeded"


def test_a_command_is_set_aside_after_three_leases_without_an_answer(scene):
    scene.retry()
    for fence in (1, 2, 3):
        [command] = sealed.lease(scene.worker)
        assert command["fence"] == fence
        expiry.expire(later(seconds=31))

    assert sealed.lease(scene.worker) == []
    assert (Command.objects.get().state, Item.objects.get().outcome) == ("set_aside", "set_aside")
    assert Operation.objects.get().state == "failed"
    assert not answer(scene.worker, command, "done")
    assert LateResult.objects.count() == 1


def test_a_command_whose_agent_has_gone_is_for_another(scene):
    scene.retry()
    other = scene.join(BOOTS[1], vault="v2")
    scene.report({"seq": 9, "kind": "agent.offline", "ts": 1})

    assert sealed.lease(other) == []
    expiry.expire()
    assert len(sealed.lease(other)) == 1


def test_a_cancel_is_requested_first_and_done_when_an_event_says_so(scene):
    scene.cancel()
    [command] = sealed.lease(scene.worker)
    answer(scene.worker, command, "requested")

    assert (Item.objects.get().progress, Item.objects.get().outcome) == ("requested", None)
    assert Task.objects.get(task_id="running").cancel_requested_by == "oscar"

    scene.report(sent.event(5, "task.cancelled", "running", run=RUN))
    assert (Item.objects.get().outcome, Operation.objects.get().state) == ("done", "succeeded")


def test_the_event_may_come_before_the_answer(scene):
    scene.cancel()
    [command] = sealed.lease(scene.worker)
    scene.report(sent.event(5, "task.cancelled", "running", run=RUN))

    answer(scene.worker, command, "requested")

    assert (Item.objects.get().outcome, Operation.objects.get().state) == ("done", "succeeded")


def test_a_task_that_ends_otherwise_was_finished_already(scene):
    scene.cancel()
    [command] = sealed.lease(scene.worker)
    answer(scene.worker, command, "requested")

    scene.report(sent.event(5, "task.succeeded", "running", run=RUN))

    assert (Item.objects.get().outcome, Operation.objects.get().state) == ("already_final", "failed")


def test_what_nobody_confirms_is_unconfirmed_when_time_is_up(scene):
    scene.cancel()
    [command] = sealed.lease(scene.worker)
    answer(scene.worker, command, "requested")

    expiry.expire(later(minutes=11))

    assert (Item.objects.get().outcome, Operation.objects.get().state) == ("unconfirmed", "expired")


def test_what_nobody_takes_ends_for_want_of_an_agent(scene):
    scene.retry()

    expiry.expire(later(minutes=11))
    expiry.expire(later(minutes=12))

    assert (Item.objects.get().outcome, Operation.objects.get().state) == ("no_agent", "expired")
    assert Command.objects.get().state == "expired"
    assert Entry.objects.filter(phase="result").count() == 1


@pytest.mark.parametrize("outcome", ["args_unavailable", "not_found", "unsupported", "refused", "failed", "wonders"])
def test_an_agent_that_cannot_says_why(scene, outcome):
    scene.retry()
    [command] = sealed.lease(scene.worker)

    answer(scene.worker, command, outcome, detail="because")

    assert Item.objects.get().outcome == ("failed" if outcome == "wonders" else outcome)
    assert Operation.objects.get().state == "failed"


def test_a_target_the_agent_forgets_has_failed(scene):
    scene.retry()
    [command] = sealed.lease(scene.worker)

    assert answer(scene.worker, command | {"targets": []}, "done")
    assert Item.objects.get().outcome == "failed"


def test_what_cannot_be_done_is_settled_at_once(scene):
    retried = scene.retry(scene.failed, scene.running)
    cancelled = actions.cancel(scene.place, [scene.failed.pk], actor=scene.oscar)

    outcomes = dict(retried.items.values_list("target_id", "outcome"))
    assert outcomes == {str(scene.failed.pk): None, str(scene.running.pk): "left_out"}
    assert (cancelled.state, cancelled.items.get().outcome) == ("failed", "already_final")


def test_many_targets_travel_in_several_commands(scene):
    scene.report(sent.event(20, "task.failed", "many-0"))
    like = Task.objects.get(task_id="many-0")
    rows = [Task(**_fields(like) | {"task_id": f"many-{number}"}) for number in range(1, 501)]
    Task.objects.bulk_create(rows)
    tasks = list(Task.objects.filter(task_id__startswith="many-"))

    operation = scene.retry(*tasks)

    commands = sealed.lease(scene.worker, limit=5)
    assert [len(command["targets"]) for command in commands] == [200, 200, 101]
    for command in commands:
        answer(scene.worker, command, "done")
    operation.refresh_from_db()
    assert (operation.state, operation.succeeded) == ("succeeded", 501)


def _fields(task: Task) -> dict[str, Any]:
    return {field.attname: getattr(task, field.attname) for field in Task._meta.fields if field.name != "id"}


def test_tasks_of_another_environment_are_not_found(scene):
    ingest(scene.cast.agent_key("island", "production"), sent.parsed(sent.event(1, "task.failed", "theirs")))
    theirs = Task.objects.get(task_id="theirs")

    with pytest.raises(Http404):
        scene.retry(scene.failed, theirs)
    assert Operation.objects.count() == 0


@pytest.mark.parametrize("act", [actions.retry, actions.cancel])
def test_vera_may_look_but_not_act(scene, act):
    with pytest.raises(Refused):
        act(scene.place, [scene.failed.pk], actor=scene.cast.actor("vera"))

    assert Operation.objects.count() == 0
    assert Entry.objects.get(outcome="refused").actor_id == str(scene.cast.user("vera").pk)
