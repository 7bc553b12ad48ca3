"""Four eyes: what is dangerous waits for somebody else, who says yes to that very thing and to nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests import rows, sealed
from tests.operations.agreers import PEOPLE, REQUESTS
from tests.operations.approvals import entries, purge, refused, service_token, stage
from z4j_brain.fleet import actions as fleet
from z4j_brain.ledger.models import Entry
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import actions, expiry, outbox
from z4j_brain.operations.models import Operation
from z4j_brain.rbac import guardian_rows, guarding
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.models import Approval, Membership, Token, User
from z4j_brain.rbac.states import Role
from z4j_brain.tasks import actions as tasks
from z4j_brain.tasks.models import Task

__all__ = ["purge", "stage"]


def leased(stage):
    return [command["verb"] for command in sealed.lease(stage.agent, 10)]


def test_what_takes_a_second_person_reaches_no_agent_before_their_yes(stage, purge):
    assert (purge.state, purge.approval.rule, purge.approval.state) == ("awaiting_approval", "queue.purge", "pending")
    assert leased(stage) == []

    done = actions.approve(purge, actor=stage.actor("olive"), reason="seen")

    assert (done.state, Approval.objects.get().state) == ("pending", "approved")
    assert leased(stage) == ["purge"]
    assert [row[:2] for row in entries(purge) if row[0] == "approval"] == [("approval", "operation.approve")]
    asked = Entry.objects.get(action="queue.purge", phase="request")
    assert asked.outcome == "pending"


@pytest.mark.parametrize(("number", "state"), [(3, "pending"), (4, "awaiting_approval")])
def test_the_policy_says_from_how_many_on(stage, number, state):
    guarding.set_policy(stage.place, {"rules": {"*": 3}}, actor=SYSTEM)
    ids = [rows.task(stage.place).pk for _ in range(number)]

    assert tasks.retry(stage.place, ids, actor=stage.actor("oscar")).state == state


def test_a_restart_of_one_worker_does_not_wait_and_of_two_does(stage):
    worker = rows.worker(stage.place, name="mail-2", agent=rows.agent(stage.place, name="mail-2", verbs=("restart",)))
    ids = list(type(worker).objects.values_list("pk", flat=True))

    both = fleet.restart(stage.place, ids, actor=stage.actor("adam"))
    actions.cancel(both, actor=stage.actor("adam"))
    one = fleet.restart(stage.place, ids[:1], actor=stage.actor("adam"))

    assert (both.state, one.state) == ("awaiting_approval", "pending")


def test_staging_asks_nobody(stage):
    queue = rows.queue(stage.cast.staging)
    rows.agent(stage.cast.staging, verbs=("purge",))

    assert fleet.purge(stage.cast.staging, [queue.pk], actor=stage.actor("adam")).state == "pending"


def test_where_one_person_could_approve_nobody_is_asked_and_the_preview_says_why(stage, client):
    User.objects.filter(username="adam").update(is_active=False)
    body = {"action": "queue.purge", "targets": [stage.queue.pk]}

    told = client.post(
        "/api/v1/harbor/production/operations/preview/",
        body,
        content_type="application/json",
        **stage.cast.bearer("olive"),
    ).json()
    operation = fleet.purge(stage.place, [stage.queue.pk], actor=stage.actor("olive"))

    assert operation.state == "pending"
    assert told["approval"]["rule"] == ""
    assert told["approval"]["inactive"].startswith("Approvals are inactive: only olive could approve here")


def test_nobody_approves_their_own_request_by_any_way(stage, purge):
    adam = stage.actor("adam")
    token = Token.objects.get(user=stage.cast.user("adam"))
    service = service_token(stage, "adam")
    api = "/api/v1/harbor/production/operations/"
    session, page = stage.cast.sign_in(Client(), "adam"), stage.cast.sign_in(Client(), "adam")

    assert refused(actions.approve, purge, actor=adam) == "own_request"
    assert refused(actions.approve, purge, actor=Actor.of_token(token)) == "token_never"
    assert refused(actions.approve, purge, actor=Actor.of_token(service)) in ("token_never", "role_lacks")
    for who, headers in ((session, {}), (Client(), stage.cast.bearer("adam"))):
        answer = who.post(f"{api}{purge.pk}/approve/", {}, content_type="application/json", **headers)
        assert (answer.status_code, answer.json()["code"]) in ((403, "own_request"), (403, "token_never"))
    page.post(f"/harbor/production/operations/{purge.pk}/approve/")
    purge.refresh_from_db()
    assert purge.state == "awaiting_approval"
    assert leased(stage) == []
    assert set(Entry.objects.filter(action="operation.approve").values_list("outcome", flat=True)) == {"refused"}


@pytest.mark.parametrize("made_by", ["own", "service"])
def test_what_somebodys_token_asked_for_they_do_not_approve(stage, made_by):
    token = Token.objects.get(user=stage.cast.user("adam")) if made_by == "own" else service_token(stage, "adam")
    guarding.set_policy(stage.place, {"rules": {"*": 0}}, actor=SYSTEM)
    task = rows.task(stage.place)
    operation = tasks.retry(stage.place, [task.pk], actor=Actor.of_token(token))

    assert operation.state == "awaiting_approval"
    assert refused(actions.approve, operation, actor=stage.actor("adam")) == "own_request"
    assert actions.approve(operation, actor=stage.actor("olive")).state == "pending"


@pytest.mark.parametrize("who", ["olive", "stan"])
def test_no_token_of_anybody_approves(stage, purge, who):
    answer = Client().post(
        f"/api/v1/harbor/production/operations/{purge.pk}/approve/",
        {},
        content_type="application/json",
        **stage.cast.bearer(who),
    )

    assert answer.status_code == (403 if who == "olive" else 404)
    assert Operation.objects.get(pk=purge.pk).state == "awaiting_approval"


def test_whoever_approves_could_do_it_themselves(stage, purge):
    """Adam's right to approve is of harbor; a role of staging's gives nothing on production."""
    vera = stage.cast.user("vera")
    Membership.objects.create(user=vera, project=stage.cast.harbor, environment=stage.cast.staging, role=Role.OWNER)
    guardian_rows.rewrite(vera, stage.cast.staging)

    assert refused(actions.approve, purge, actor=stage.actor("vera")) == "role_lacks"
    assert refused(actions.approve, purge, actor=stage.actor("oscar")) == "role_lacks"


def test_a_proof_that_is_older_than_ten_minutes_approves_nothing(stage, purge):
    stale = replace(stage.actor("olive"), auth={"method": "session", "password": 1})

    assert refused(actions.approve, purge, actor=stale) == "fresh_mfa"


ALTERED = {
    "another target": "UPDATE operations_item SET target_id = '999'",
    "a target less": "DELETE FROM operations_item",
    "a name": "UPDATE operations_item SET label = 'something harmless'",
    "other options": """UPDATE operations_operation SET options = '{"rate": 1000}'""",
    "another verb": "UPDATE operations_command SET verb = 'retry'",
    "another engine": "UPDATE operations_command SET engine = 'rq'",
    "another place": "UPDATE operations_operation SET target_kind = 'task'",
    "more time": "UPDATE operations_operation SET expires_at = '2099-01-01 00:00:00'",
}


@pytest.mark.parametrize("statement", ALTERED.values(), ids=ALTERED)
@pytest.mark.parametrize("how", ["approve", "break_glass"])
def test_a_request_that_was_changed_is_void(stage, purge, statement, how):
    with connection.cursor() as cursor:
        cursor.execute(statement)
    fresh = Operation.objects.get(pk=purge.pk)

    if how == "approve":
        actions.approve(fresh, actor=stage.actor("olive"))
    else:
        actions.break_glass(fresh, "break glass", actor=stage.actor("olive"), reason="it burns")

    approval = Approval.objects.get()
    assert (approval.state, approval.decided_reason[:4]) == ("voided", "Void")
    assert Operation.objects.get(pk=purge.pk).state == "cancelled"
    assert leased(stage) == []


def test_a_request_of_somebody_who_has_left_is_void(stage, purge):
    User.objects.filter(username="adam").update(is_active=False)

    assert actions.approve(purge, actor=stage.actor("olive")).state == "cancelled"
    assert Approval.objects.get().state == "voided"


def test_a_worker_that_comes_back_under_its_name_meanwhile_is_the_same(stage):
    guarding.set_policy(stage.place, {"rules": {"*": 0}}, actor=SYSTEM)
    operation = fleet.pause(stage.place, [stage.queue.pk], actor=stage.actor("adam"))
    again = rows.agent(stage.place, verbs=("pause",))

    outbox.readdress(stage.agent.pk, again)
    actions.approve(operation, actor=stage.actor("olive"))

    assert Approval.objects.get().state == "approved"


def test_what_waits_changes_nothing_in_the_brain_either(stage):
    guarding.set_policy(stage.place, {"rules": {"*": 0}}, actor=SYSTEM)
    task = rows.task(stage.place, state="queued")
    stopped = tasks.cancel(stage.place, [task.pk], actor=stage.actor("oscar"))
    paused = fleet.pause(stage.place, [stage.queue.pk], actor=stage.actor("adam"), reason="a flood")

    stage.queue.refresh_from_db()
    assert Task.objects.get().cancel_requested_at is None
    assert stage.queue.paused_at is None

    actions.approve(stopped, actor=stage.actor("adam"))
    actions.approve(paused, actor=stage.actor("olive"))
    stage.queue.refresh_from_db()
    assert Task.objects.get().cancel_requested_by == "oscar"
    assert (stage.queue.paused_by, stage.queue.paused_reason) == ("adam", "a flood")


def test_what_nobody_answers_in_time_expires(stage, purge):
    expiry.expire(timezone.now() + timedelta(minutes=14))
    assert Operation.objects.get(pk=purge.pk).state == "awaiting_approval"

    expiry.expire(timezone.now() + timedelta(minutes=15, seconds=1))

    assert (Operation.objects.get(pk=purge.pk).state, Approval.objects.get().state) == ("expired", "expired")
    with pytest.raises(Problem):
        actions.approve(purge, actor=stage.actor("olive"))
    assert leased(stage) == []


def test_an_answer_that_comes_too_late_is_none_also_before_housekeeping_has_looked(stage, purge):
    Approval.objects.update(expires_at=timezone.now())

    with pytest.raises(Problem, match="nobody approved it"):
        actions.approve(purge, actor=stage.actor("olive"))


def test_a_rejection_says_why_and_the_requester_may_withdraw(stage, purge):
    with pytest.raises(Problem):
        actions.reject(purge, actor=stage.actor("olive"))
    assert refused(actions.reject, purge, actor=stage.actor("adam"), reason="mine") == "own_request"

    assert actions.reject(purge, actor=stage.actor("olive"), reason="not today").state == "cancelled"
    item = purge.items.get()
    assert (item.outcome, item.detail) == ("cancelled", "Rejected by olive: not today")

    other = fleet.purge(stage.place, [stage.queue.pk], actor=stage.actor("adam"))
    assert actions.cancel(other, actor=stage.actor("adam")).state == "cancelled"
    assert sorted(Approval.objects.values_list("state", flat=True)) == ["rejected", "withdrawn"]


def test_two_have_to_agree_where_the_policy_says_two(stage):
    for name in ("oscar", "vera"):
        user = stage.cast.user(name)
        Membership.objects.filter(user=user).update(role=Role.ADMIN)
        guardian_rows.rewrite(user, stage.cast.harbor)
    guarding.set_policy(stage.place, {"approvers": 2}, actor=SYSTEM)
    operation = fleet.purge(stage.place, [stage.queue.pk], actor=stage.actor("adam"))

    for _ in range(2):  # one person counts once, however often
        assert actions.approve(operation, actor=stage.actor("oscar")).state == "awaiting_approval"
    assert actions.approve(operation, actor=stage.actor("vera")).state == "pending"


def test_an_operator_may_request_what_only_others_may_do(stage, ask):
    body = {"action": "queue.purge", "targets": [stage.queue.pk]}
    previewed = ask("operations/preview/", **body).json()
    answer = ask("operations/", **body, confirm=previewed["confirm"], reason="a flood")

    assert (previewed["approval"]["rule"], previewed["approval"]["people"]) == ("request", ["adam", "olive"])
    assert (answer.status_code, answer.json()["state"]) == (202, "awaiting_approval")
    operation = Operation.objects.get()
    assert Entry.objects.get(action="operation.request").outcome == "pending"
    assert refused(actions.approve, operation, actor=stage.actor("oscar")) == "role_lacks"
    assert actions.approve(operation, actor=stage.actor("adam")).state == "pending"


def test_an_operators_request_is_refused_where_the_policy_says_so(stage, ask):
    guarding.set_policy(stage.place, {"requests": False}, actor=SYSTEM)

    answer = ask("operations/", action="queue.purge", targets=[stage.queue.pk], confirm=3)

    assert (answer.status_code, answer.json()["code"]) == (403, "role_lacks")
    assert not Operation.objects.exists()


def test_of_two_who_approve_at_once_one_releases_it(store, tmp_path):
    name = f"agreed-{tmp_path.name}"
    url = store.clone(name, cast=True)

    output = store.run(tmp_path if url else store.folder / name, "-m", "tests.operations.agreers", url=url)
    *said, last = [json.loads(line) for line in output.splitlines()]
    store.drop(name)

    approved = [one["approved"] for one in said if "approved" in one]
    assert len(said) == len(PEOPLE) * REQUESTS
    assert len(set(approved)) == len(approved) == REQUESTS
    assert {one["late"] for one in said if "late" in one} == {"not_now"}
    assert last == {"states": ["pending"] * REQUESTS, "given": [1] * REQUESTS, "entries": REQUESTS}
