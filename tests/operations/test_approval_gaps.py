"""Ways past a second person that are none: what no agent is asked, what goes on, who asked, what agents are shown."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows, sealed
from tests.operations.approvals import purge, refused, service_token, stage
from z4j_brain.fleet import actions as fleet
from z4j_brain.ledger.models import Entry
from z4j_brain.operations import actions
from z4j_brain.rbac import guardian_rows, guarding
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.granted import Grant
from z4j_brain.rbac.models import Approval, Membership, Token
from z4j_brain.rbac.states import Effect, Permission, Role
from z4j_brain.tasks import actions as tasks

__all__ = ["purge", "stage"]


def freeze(stage):
    now = timezone.now()
    times = now - timedelta(minutes=1), now + timedelta(hours=2)
    return guarding.set_freeze(stage.place, *times, actor=stage.actor("olive"), reason="Black Friday")


def paused(stage, name):
    """A queue that is paused, and that no worker takes from."""
    return rows.queue(stage.place, name=name, paused_at=timezone.now(), paused_by="olive")


def is_paused(queue):
    queue.refresh_from_db()
    return queue.paused_at is not None


def test_a_queue_of_which_one_may_change_nothing_is_not_resumed_with_others(stage):
    theirs, ours = paused(stage, "payments"), paused(stage, "mails")
    denied = {"queue_glob": "payments", "effect": Effect.DENY, "permission": Permission.MANAGE_QUEUES}
    Grant.objects.create(user=stage.cast.user("adam"), project=stage.cast.harbor, **denied)

    fleet.resume(stage.place, [theirs.pk, ours.pk], actor=stage.actor("adam"))

    assert (is_paused(theirs), is_paused(ours)) == (True, False)


def test_a_queue_that_nobody_takes_from_is_resumed_by_two_where_the_policy_says_so(stage):
    guarding.set_policy(stage.place, {"rules": {"queue.resume": 0}}, actor=SYSTEM)
    idle = paused(stage, "idle")

    held = fleet.resume(stage.place, [idle.pk], actor=stage.actor("adam"))
    assert (held.state, is_paused(idle)) == ("awaiting_approval", True)

    done = actions.approve(held, actor=stage.actor("olive"))
    assert (done.state in ("failed", "expired"), is_paused(idle)) == (True, False)


def test_what_nobody_takes_from_and_is_rejected_stays_as_it_is(stage):
    guarding.set_policy(stage.place, {"rules": {"queue.resume": 0}}, actor=SYSTEM)
    idle = paused(stage, "idle")
    held = fleet.resume(stage.place, [idle.pk], actor=stage.actor("adam"))

    assert actions.reject(held, actor=stage.actor("olive"), reason="no").state == "cancelled"
    assert is_paused(idle)


def test_a_freeze_holds_what_happens_in_the_brain_alone_and_what_is_to_go_on(stage):
    oscar, idle = stage.actor("oscar"), paused(stage, "idle")
    begun = tasks.retry(stage.place, [rows.task(stage.place).pk], actor=oscar)
    actions.pause(begun, actor=oscar)
    freeze(stage)

    assert refused(fleet.resume, stage.place, [idle.pk], actor=stage.actor("adam")) == "frozen"
    assert is_paused(idle)
    assert refused(actions.resume, begun, actor=oscar) == "frozen"
    begun.refresh_from_db()
    assert begun.state == "paused"


@pytest.mark.parametrize("what", ["demoted", "denied the queue"])
@pytest.mark.parametrize("how", ["approve", "break_glass"])
def test_a_request_of_somebody_who_could_not_make_it_any_more_is_void(stage, purge, what, how):
    adam = stage.cast.user("adam")
    if what == "demoted":
        Membership.objects.filter(user=adam).update(role=Role.VIEWER)
        guardian_rows.rewrite(adam, stage.cast.harbor)
    else:
        denied = {"queue_glob": "emails", "effect": Effect.DENY, "permission": Permission.PURGE}
        Grant.objects.create(user=adam, project=stage.cast.harbor, **denied)

    if how == "approve":
        actions.approve(purge, actor=stage.actor("olive"))
    else:
        actions.break_glass(purge, "break glass", actor=stage.actor("olive"), reason="it burns")

    purge.refresh_from_db()
    assert (purge.state, Approval.objects.get().state) == ("cancelled", "voided")


@pytest.mark.parametrize("kind", ["own", "service"])
def test_a_request_of_a_token_that_was_revoked_is_void(stage, kind):
    guarding.set_policy(stage.place, {"rules": {"*": 0}}, actor=SYSTEM)
    token = Token.objects.get(user=stage.cast.user("adam")) if kind == "own" else service_token(stage, "adam")
    held = tasks.retry(stage.place, [rows.task(stage.place).pk], actor=Actor.of_token(token))
    Token.objects.filter(pk=token.pk).update(revoked_at=timezone.now())

    assert actions.approve(held, actor=stage.actor("olive")).state == "cancelled"
    assert Approval.objects.get().state == "voided"


@pytest.mark.parametrize("how", ["approve", "break_glass"])
def test_an_agent_is_shown_the_yes_and_the_request_alone_would_not_do(stage, how):
    held = fleet.purge(stage.place, [stage.queue.pk], actor=stage.actor("adam" if how == "approve" else "olive"))
    asked = Entry.objects.get(action="queue.purge", phase="request")
    if how == "approve":
        actions.approve(held, actor=stage.actor("olive"))
    else:
        actions.break_glass(held, "break glass", actor=stage.actor("olive"), reason="it burns")

    [command] = sealed.lease(stage.agent)

    shown = json.loads(base64.b64decode(command["proof"]["entry"]))
    assert asked.outcome == "pending"
    assert (shown["action"], shown["outcome"]) == (f"operation.{how}", "allowed")
    assert shown["commands"] != json.loads(bytes(asked.body))["commands"]
