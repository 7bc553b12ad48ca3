"""A run is about what its preview showed, keeps the pace it was given, and stops where it was told to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from tests import rows, sealed
from z4j_brain.operations import expiry, outbox
from z4j_brain.operations.models import Command, Item, Operation, Snapshot
from z4j_brain.tasks.models import Task

RETRY = {"action": "task.retry"}
ALL_FAILED = {"filter": {"state": "failed"}}


def answer(agent, command, outcome="done", **more):
    results = [{"item": target["item"], "outcome": outcome, **more} for target in command["targets"]]
    told = {"v": 1, "boot": str(agent.boot), "command": command["id"], "fence": command["fence"], "results": results}
    return outbox.settle(agent, told)


def pass_time(seconds):
    """As if so much time had gone by for every operation."""
    Operation.objects.exclude(next_at=None).update(next_at=F("next_at") - timedelta(seconds=seconds))


def items(answered):
    return Operation.objects.get(pk=answered.json()["id"]).items


def test_a_run_by_preview_is_about_the_very_targets_it_showed_whatever_has_changed_since(ask, cast):
    rows.agent(cast.production)
    same, retried, restarted, pruned = (rows.task(cast.production) for _ in range(4))
    found = ask("operations/preview/", **RETRY, **ALL_FAILED).json()
    rows.task(cast.production)  # fails too late
    rows.task(cast.production, state="queued", retry_of=retried.task_id)
    Task.objects.filter(pk=restarted.pk).update(state="started")
    frozen = [str(one.pk) for one in (same, retried, restarted, pruned)]
    pruned.delete()

    made = ask("operations/", **RETRY, preview=found["preview"])

    assert found["able"] == found["matching"] == 4
    assert list(items(made).order_by("id").values_list("target_id", "left_out")) == list(
        zip(frozen, ["", "already_retried", "not_finished", "gone"], strict=True)
    )
    told = Operation.objects.get(pk=made.json()["id"])
    assert (told.total, told.settled, told.plan["able"], told.filter) == (4, 3, 1, {"state": "failed"})
    assert Command.objects.get().items.get().target_id == str(same.pk)


def test_what_was_shown_as_waiting_for_an_agent_waits_when_it_is_run(ask, cast):
    task = rows.task(cast.production)
    found = ask("operations/preview/", **RETRY, targets=[task.pk]).json()

    made = ask("operations/", **RETRY, preview=found["preview"])

    assert (found["able"], found["waiting"]) == (1, 1)
    assert items(made).get().outcome is None


def test_a_preview_is_for_whoever_made_it_its_action_and_an_hour(ask, cast):
    rows.task(cast.production)
    mine = ask("operations/preview/", **RETRY, **ALL_FAILED).json()["preview"]

    refused = [
        ask("operations/", "olive", **RETRY, preview=mine),
        ask("operations/", action="task.cancel", preview=mine),
    ]
    Snapshot.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    refused.append(ask("operations/", **RETRY, preview=mine))

    assert [(one.status_code, one.json()["code"]) for one in refused] == [(422, "preview_gone")] * 3
    assert all(one.json()["errors"][0]["pointer"] == "#/preview" for one in refused)
    expiry.prune()
    assert not Snapshot.objects.exists()


def test_of_two_people_who_ask_for_the_same_retry_the_second_is_told_and_nothing_is_asked_twice(ask, cast):
    agent = rows.agent(cast.production)
    task = rows.task(cast.production)
    ask("operations/", **RETRY, **ALL_FAILED)

    [told] = ask("operations/preview/", "olive", **RETRY, **ALL_FAILED).json()["excluded"]
    with_changes = ask("operations/", "olive", action="task.retry_with", targets=[task.pk], options={"args": [1]})
    second = ask("operations/", "olive", **RETRY, **ALL_FAILED)

    assert (told["code"], told["count"]) == ("already_asked", 1)
    assert "oscar" in told["text"]
    assert items(second).get().left_out == items(with_changes).get().left_out == "already_asked"
    [command] = sealed.lease(agent, limit=5)
    answer(agent, command, new_task_id="again")
    third = items(ask("operations/", "olive", **RETRY, **ALL_FAILED)).get()
    assert third.left_out == "already_retried"  # no event has told of the new task yet
    assert "again" in third.detail


def test_of_what_failed_in_an_operation_only_that_is_tried_again(ask, cast):
    agent = rows.agent(cast.production)
    first, second = rows.task(cast.production), rows.task(cast.production)
    made = ask("operations/", **RETRY, targets=[first.pk, second.pk]).json()["id"]
    [command] = sealed.lease(agent)
    results = [{"item": target["item"], "outcome": "done", "new_task_id": "n"} for target in command["targets"]]
    results[0] |= {"outcome": "failed", "new_task_id": ""}
    told = {"v": 1, "boot": str(agent.boot), "command": command["id"], "fence": 1, "results": results}
    outbox.settle(agent, told)

    again = ask("operations/", **RETRY, filter={"operation": made})

    assert [item.target_id for item in items(again).all()] == [str(first.pk)]
    assert ask("operations/", **RETRY, filter={"operation": made, "outcome": "refused"}).status_code == 422


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_targets_go_in_the_order_that_was_asked_for(ask, cast, order):
    agent = rows.agent(cast.production)
    tasks = [rows.task(cast.production, task_id=str(number)) for number in range(3)]

    ask("operations/", **RETRY, **ALL_FAILED, options={"order": order, "stop_after": 1})

    sent = [target["task_id"] for command in sealed.lease(agent, 5) for target in command["targets"]]
    wanted = [task.task_id for task in tasks]
    assert sent == (wanted if order == "oldest" else wanted[::-1])


def test_a_rate_is_kept_whatever_number_of_agents_ask(ask, cast):
    agents = [rows.agent(cast.production, name=f"w{number}") for number in range(3)]
    for _ in range(4):
        rows.task(cast.production)
    ask("operations/", **RETRY, **ALL_FAILED, options={"rate": 0.01})

    def round_of_all():
        return [len(command["targets"]) for agent in agents for command in sealed.lease(agent, 5)]

    assert round_of_all() == [1]
    assert round_of_all() == []
    pass_time(50)
    assert round_of_all() == []
    pass_time(51)
    assert round_of_all() == [1]
    pass_time(250)  # nobody asked for a while: what was missed is not made good in one go
    assert round_of_all() == [1]
    assert round_of_all() == []


def test_it_stops_by_itself_after_so_many_failures_and_goes_on_with_a_new_budget(ask, cast):
    agent = rows.agent(cast.production)
    for _ in range(6):
        rows.task(cast.production)
    made = ask("operations/", **RETRY, **ALL_FAILED, options={"stop_after": 2, "rate": 2})
    operation = Operation.objects.get(pk=made.json()["id"])

    for budget in (2, 4):
        pass_time(60)
        [command] = sealed.lease(agent)
        assert len(command["targets"]) == 2
        answer(agent, command, "failed")
        operation.refresh_from_db()
        assert (operation.state, operation.failed) == ("paused", budget)
        assert operation.halted == f"Stopped by itself after {budget} failures."
        assert sealed.lease(agent) == []
        resumed = ask(f"operations/{operation.pk}/resume/").json()
        assert (resumed["state"], resumed["halted"]) == ("running", "")

    pass_time(60)
    [command] = sealed.lease(agent)
    answer(agent, command)
    operation.refresh_from_db()
    assert (operation.state, operation.succeeded, operation.failed) == ("partial", 2, 4)


def test_until_its_delay_is_over_all_of_it_can_be_taken_back(ask, cast):
    agent = rows.agent(cast.production)
    rows.task(cast.production)
    made = ask("operations/", **RETRY, **ALL_FAILED, options={"delay": 3600})

    assert sealed.lease(agent) == []
    expiry.expire(timezone.now() + timedelta(minutes=65))
    gone = ask(f"operations/{made.json()['id']}/cancel/").json()
    pass_time(4000)

    assert (gone["state"], gone["succeeded"], gone["failed"], gone["settled"]) == ("cancelled", 0, 0, 1)
    assert sealed.lease(agent) == []
    assert items(made).get().outcome == "cancelled"


def test_an_operation_lives_as_long_after_its_delay_as_it_is_valid_for(ask, cast):
    rows.task(cast.production)
    options = {"delay": 3600, "valid_for": 60}
    made = ask("operations/", **RETRY, targets=[Task.objects.get().pk], options=options)

    operation = Operation.objects.get(pk=made.json()["id"])
    assert timedelta(seconds=3659) < operation.expires_at - operation.created_at < timedelta(seconds=3662)
    expiry.expire(operation.expires_at)
    operation.refresh_from_db()
    assert (operation.state, items(made).get().outcome) == ("expired", "no_agent")


def test_where_a_reason_is_required_there_is_no_operation_without_one(ask, cast):
    cast.production.reason_required = True
    cast.production.save()
    task = rows.task(cast.production)

    for path, body in (("operations/", RETRY | {"targets": [task.pk]}), (f"tasks/{task.pk}/retry/", {"reason": "  "})):
        refused = ask(path, **body)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["pointer"] == "#/reason"
    assert ask("operations/", **RETRY, targets=[task.pk], reason="the relay is back").status_code == 202
    assert Operation.objects.get().reason == "the relay is back"


def test_the_same_key_is_the_same_operation_though_the_set_has_changed(ask, cast):
    rows.task(cast.production)
    first = ask("operations/", key="k", **RETRY, **ALL_FAILED, options={"wait": True})
    rows.task(cast.production)

    again = ask("operations/", key="k", **RETRY, **ALL_FAILED, options={"wait": True})

    assert again.json()["id"] == first.json()["id"]
    assert Item.objects.count() == 1


def test_nothing_that_matches_is_nothing_to_do(ask, cast):
    answered = ask("operations/", **RETRY, **ALL_FAILED)

    assert (answered.status_code, answered.json()["code"]) == (422, "nothing_matches")


def test_a_purge_wants_the_number_that_the_preview_said(ask, cast):
    rows.agent(cast.production, verbs=("purge",))
    queue = rows.queue(cast.production, depth=12)
    asked = {"action": "queue.purge", "targets": [queue.pk]}
    found = ask("operations/preview/", "olive", **asked).json()
    queue.depth = 15
    queue.save()

    assert found["confirm"] == 12
    by_preview = {"action": "queue.purge", "preview": found["preview"]}
    for body, confirm in ((asked, None), (asked, 12), (by_preview, 15), (by_preview, None)):
        refused = ask("operations/", "olive", **body, **({} if confirm is None else {"confirm": confirm}))
        assert (refused.status_code, refused.json()["code"]) == (422, "confirm")
        assert refused.json()["errors"][0]["pointer"] == "#/confirm"
    assert not Operation.objects.exists()
    assert ask("operations/", "olive", **by_preview, confirm=12).status_code == 202


def test_a_purge_that_was_cut_off_is_never_given_to_another_agent(ask, cast):
    first, other = rows.agent(cast.production, verbs=("purge",)), rows.agent(cast.production, verbs=("purge",))
    queue = rows.queue(cast.production)
    made = ask("operations/", "olive", action="queue.purge", targets=[queue.pk], confirm=3)
    [command] = sealed.lease(first)
    expiry.expire(timezone.now() + timedelta(seconds=31))
    first.seen_at = timezone.now() - timedelta(minutes=5)
    first.save()
    expiry.expire()

    assert command["targets"][0]["queue"] == "emails"
    assert sealed.lease(other) == []
    expiry.expire(timezone.now() + timedelta(minutes=11))
    assert items(made).get().outcome == "expired"


def test_a_target_that_was_pruned_before_its_turn_is_not_found(ask, cast):
    agent = rows.agent(cast.production)
    kept, pruned = rows.task(cast.production), rows.task(cast.production)
    made = ask("operations/", **RETRY, **ALL_FAILED)
    pruned.delete()

    [command] = sealed.lease(agent)
    assert [target["task_id"] for target in command["targets"]] == [kept.task_id]
    answer(agent, command)
    assert list(items(made).order_by("id").values_list("outcome", flat=True)) == ["done", "not_found"]
    assert Operation.objects.get().state == "partial"


def test_a_task_that_is_run_goes_into_the_queue_that_was_asked_for(ask, cast):
    agent = rows.agent(cast.production, verbs=("run",))
    pay, queues = rows.registered(cast.production, name="shop.pay"), []
    for options in ({}, {"queue": "slow"}):
        assert ask("operations/", action="task.run", targets=[pay.pk], options=options).status_code == 202
        [command] = sealed.lease(agent)
        queues += [target["queue"] for target in command["targets"]]

    assert queues == ["", "slow"]
