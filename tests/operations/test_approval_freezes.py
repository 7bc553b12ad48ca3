"""What goes past a second person, and what holds everybody: the glass that an owner breaks, and freezes."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests import rows
from tests.operations.approvals import entries, purge, refused, stage
from z4j_brain.fleet import actions as fleet
from z4j_brain.ledger.models import Entry
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import actions
from z4j_brain.operations.models import Operation
from z4j_brain.rbac import guarding
from z4j_brain.tasks import actions as tasks

__all__ = ["purge", "stage"]


def test_an_owner_breaks_the_glass_and_everybody_hears_of_it(stage, caplog):
    mine = fleet.purge(stage.place, [stage.queue.pk], actor=stage.actor("olive"))
    assert refused(actions.break_glass, mine, "break glass", actor=stage.actor("adam"), reason="x") == "role_lacks"
    with pytest.raises(Problem):
        actions.break_glass(mine, "yes", actor=stage.actor("olive"), reason="it burns")
    with pytest.raises(Problem):
        actions.break_glass(mine, "break glass", actor=stage.actor("olive"))

    with caplog.at_level(logging.CRITICAL):
        done = actions.break_glass(mine, "break glass", actor=stage.actor("olive"), reason="it burns")

    assert done.state == "pending"
    assert "break_glass" in caplog.text
    assert ("approval", "operation.break_glass", "allowed") in entries(mine)
    report = Client().get("/api/v1/harbor/production/approvals/?state=broken", **stage.cast.bearer("vera")).json()
    assert [(one["decided_name"], one["decided_reason"]) for one in report["results"]] == [("olive", "it burns")]
    page = stage.cast.sign_in(Client(), "vera").get("/harbor/production/queues/").content.decode()
    assert "olive broke the glass" in page


def freeze(stage, who="olive", **fields):
    now = timezone.now()
    usual = {"starts_at": now - timedelta(minutes=1), "ends_at": now + timedelta(hours=2)}
    more = {name: fields.pop(name) for name in ("single", "actions") if name in fields}
    times = usual | fields
    return guarding.set_freeze(
        stage.place, times["starts_at"], times["ends_at"], **more, actor=stage.actor(who), reason="Black Friday"
    )


def test_a_frozen_environment_refuses_and_says_until_when_and_who_set_it(stage, ask):
    freeze(stage)
    pk = rows.task(stage.place).pk

    answer = ask("operations/", action="task.retry", targets=[pk])

    assert (answer.status_code, answer.json()["code"]) == (403, "frozen")
    assert "by olive: Black Friday" in answer.json()["detail"]
    assert not Operation.objects.exists()
    assert Entry.objects.get(action="task.retry").outcome == "refused"
    page = stage.cast.sign_in(Client(), "vera").get("/harbor/production/tasks/").content.decode()
    assert "Frozen until" in page


def test_a_freeze_may_let_single_tasks_be_put_right_and_name_what_it_forbids(stage):
    freeze(stage, single=True)
    ids = [rows.task(stage.place).pk for _ in range(4)]
    oscar = stage.actor("oscar")

    assert tasks.retry(stage.place, ids[:1], actor=oscar).state == "pending"
    assert refused(tasks.retry, stage.place, ids[1:3], actor=oscar) == "frozen"

    guarding.end_freeze(stage.place.freezes.get(), actor=stage.actor("olive"))
    freeze(stage, actions=["queue.purge"])
    assert tasks.retry(stage.place, ids[1:3], actor=oscar).state == "pending"
    assert refused(fleet.purge, stage.place, [stage.queue.pk], actor=stage.actor("adam")) == "frozen"


def test_a_freeze_is_passed_by_breaking_the_glass_alone(stage):
    before = fleet.purge(stage.place, [stage.queue.pk], actor=stage.actor("adam"))
    freeze(stage)

    assert refused(actions.approve, before, actor=stage.actor("olive")) == "frozen"
    held = tasks.retry(stage.place, [rows.task(stage.place).pk], actor=stage.actor("olive"))
    assert (held.state, held.approval.rule) == ("awaiting_approval", "frozen")
    assert actions.break_glass(held, "break glass", actor=stage.actor("olive"), reason="it burns").state == "pending"


def test_a_freeze_that_holds_is_ended_by_whoever_set_it_or_an_owner(stage):
    held, mine, later = (
        freeze(stage),
        freeze(stage, "adam"),
        freeze(stage, starts_at=timezone.now() + timedelta(hours=1)),
    )

    assert refused(guarding.end_freeze, held, actor=stage.actor("adam")) == "not_own"
    for one in (mine, later):
        assert guarding.end_freeze(one, actor=stage.actor("adam")).is_over
