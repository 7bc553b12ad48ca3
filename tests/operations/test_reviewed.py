"""What could go wrong between tenants, between two clicks, and with what nobody should send."""

from __future__ import annotations

import json

import pytest

from tests import rows, sealed
from z4j_brain.ledger.models import Entry
from z4j_brain.operations import outbox
from z4j_brain.operations.models import Command, Operation
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks.models import Task

HERE = "/api/v1/harbor/production/operations/"


@pytest.fixture
def post(client, cast):
    def post(path, body, who="oscar"):
        text = body if isinstance(body, str) else json.dumps(body)
        return client.post(HERE + path, text, content_type="application/json", **cast.bearer(who))

    return post


@pytest.fixture
def form(client, cast):
    cast.sign_in(client, "olive")
    return lambda action, given: client.post(f"/harbor/production/operations/new/{action}/", given)


def command(environment: Environment, task: Task, **fields: str) -> Command:
    operation = rows.operation(environment, [task])
    place = {"operation": operation, "environment": environment, "expires_at": operation.expires_at}
    made = Command.objects.create(**place, **{"engine": "celery", "verb": "retry"} | fields)
    operation.items.update(command=made)
    sealed.ask(made)
    return made


def test_a_backlog_of_one_tenant_hides_nothing_of_another(cast):
    task = rows.task(cast.production)
    for _ in range(outbox.ROUND + 1):
        command(cast.production, task)
    command(cast.staging, rows.task(cast.staging), verb="cancel")

    sealed.seal()
    kinds = {(place, verb) for place, _, _, verb in outbox.queued([cast.production.pk, cast.staging.pk])}

    assert kinds == {(cast.production.pk, "retry"), (cast.staging.pk, "cancel")}


def test_a_form_that_is_sent_twice_asks_once(cast, form):
    task = rows.task(cast.production)
    rows.agent(cast.production)
    given = {"target": task.pk, "at_once": "1", "key": "0123456789abcdef"}

    assert {form("task.retry", given).status_code for _ in range(2)} == {302}

    assert Operation.objects.count() == 1


def test_a_dialog_about_one_task_is_about_no_other_list(cast, form):
    rows.task(cast.production, state="failed")
    rows.agent(cast.production)

    answer = form("task.retry", {"at_once": "1", "state": "failed", "since": "all"})

    assert answer.status_code in (200, 302, 400)
    assert "at_once" not in str(answer.content)


def test_where_a_reason_is_asked_for_the_page_says_so_and_nothing_is_done(cast, form):
    Environment.objects.filter(pk=cast.production.pk).update(reason_required=True)
    task = rows.task(cast.production)
    rows.agent(cast.production)

    answer = form("task.retry", {"target": task.pk, "at_once": "1"})

    assert answer.status_code == 400
    assert "asks for" in answer.content.decode()
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"action": "task.retry", "filter": {"name": "\\ud800"}}', ""),
        ('{"action": "task.move", "targets": [1], "options": {"queue": "\\ud800x"}}', ""),
        ({"action": "task.retry_with", "targets": [1], "options": {"args": [[]] * 2 + ["x"], "rate": 10**400}}, "rate"),
        ({"action": "task.retry_with", "targets": [1], "options": {"args": "[NaN]"}}, "args"),
        ('{"action": "task.retry_with", "targets": [1], "options": {"args": %s}}' % ("[" * 900 + "]" * 900), ""),
        ({"action": "task.retry", "filter": {"task_id__in": ",".join(map(str, range(200)))}}, "task_id__in"),
    ],
)
def test_what_nobody_should_send_is_a_400_that_says_what(cast, post, body, pointer):
    for path in ("preview/", ""):
        answer = post(path, body)
        assert answer.status_code == 400, answer.content
        assert any(pointer in fault["pointer"] for fault in answer.json()["errors"] or [{"pointer": ""}])


def test_who_may_not_do_it_may_not_let_it_go_on_either_and_the_ledger_says_so(cast, post):
    operation = rows.operation(cast.production, [rows.task(cast.production)], action="queue.purge", state="paused")

    assert post(f"{operation.pk}/resume/", {}).status_code == 403

    entry = Entry.objects.get()
    assert (entry.action, entry.outcome) == ("operation.resume", "refused")
    operation.refresh_from_db()
    assert operation.state == "paused"


def test_there_is_no_other_way_to_steer_an_operation(cast, client):
    cast.sign_in(client, "olive")
    operation = rows.operation(cast.production, [rows.task(cast.production)])
    assert client.post(f"/harbor/production/operations/{operation.pk}/delete/").status_code == 404
