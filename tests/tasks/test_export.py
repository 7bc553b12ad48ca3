"""Lists that leave as files: all of them, harmless to spreadsheets, step by step, and on record."""

from __future__ import annotations

import csv
import hashlib
import io
import json

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from tests import rows
from z4j_brain.ledger.models import Entry, EntryPrivate
from z4j_brain.tasks import pagination
from z4j_brain.tasks.export import harmless

EXPORT = "/api/v1/harbor/production/tasks/export/"
PANEL = "/harbor/production/tasks/export/"


@pytest.fixture
def get(client, cast):
    def get(path=EXPORT, who="vera", **query):
        return client.get(path, query, **cast.bearer(who))

    return get


def told(phase):
    """What the ledger says of exports in this phase: outcome, and the parameters."""
    found = Entry.objects.filter(action="task.export", phase=phase).order_by("ts")
    private = {one.entry_id: json.loads(bytes(one.payload)) for one in EntryPrivate.objects.all()}
    return [(entry.outcome, private[entry.pk]["params"]) for entry in found]


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_a_file_holds_the_whole_list_as_filtered_newest_first(get, cast, monkeypatch, step):
    monkeypatch.setattr(pagination, "STEP", step)
    for n in range(5):
        rows.task(cast.production, task_id=f"t{n}", state="failed" if n != 2 else "succeeded", error_type="Refused")
    rows.task(cast.staging)

    lines = get(format="jsonl", state="failed").getvalue().decode().splitlines()
    sheet = list(csv.DictReader(io.StringIO(get(search="error:Ref").getvalue().decode())))

    assert [json.loads(line)["task_id"] for line in lines] == ["t4", "t3", "t1", "t0"]
    assert [row["task_id"] for row in sheet] == ["t4", "t3", "t2", "t1", "t0"]
    assert sheet[0]["state"] == "failed"


def test_payloads_leave_when_they_are_asked_for_with_those_who_may_see_them(get, cast):
    rows.task(cast.production, args="(1,)", error_message="boom", error_type="ValueError")

    seen = json.loads(get(format="jsonl", payload="1").getvalue())
    hidden = json.loads(get(format="jsonl").getvalue())

    assert (seen["args"], seen["error_message"]) == ("(1,)", "boom")
    assert not {"args", "kwargs", "result", "error_message"} & set(hidden)
    assert hidden["error_type"] == "ValueError"
    assert get(who="audrey", payload="1").status_code == 403
    assert [params["payload"] for _, params in told("request")] == [True, False]


def test_where_reasons_are_asked_for_no_value_leaves_without_one(get, client, cast):
    cast.production.reason_required = True
    cast.production.save()
    rows.task(cast.production, args="('canary',)")
    refused = get(payload="1")

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "#/reason")
    assert not Entry.objects.filter(action="task.export", outcome="allowed").exists()
    assert b"canary" in get(payload="1", reason="a customer calls").getvalue()
    assert get(format="jsonl").status_code == 200, "without values no reason is asked for"
    reasons = [json.loads(bytes(one.payload)).get("reason") for one in EntryPrivate.objects.all()]
    assert "a customer calls" in reasons

    cast.sign_in(client, "vera")
    assert 'name="reason"' in client.get("/harbor/production/tasks/?since=all").content.decode()
    page = client.get(PANEL, {"payload": "1", "format": "jsonl", "q": "queue:emails"})
    told = page.content.decode()
    assert page.status_code == 400 and "say why" in told and "canary" not in told
    assert 'name="queue" value="emails"' in told and 'name="format" value="jsonl"' in told
    assert b"canary" in client.get(PANEL, {"payload": "1", "format": "jsonl", "reason": "a customer"}).getvalue()


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", ' "=1', "  =1", "＝1", "\u200b=1", "'-1", "＠x", "\ufeff＋1"]
)
def test_a_formula_is_text(get, cast, text):
    rows.task(cast.production, args=text)

    (row,) = csv.DictReader(io.StringIO(get(payload="1").getvalue().decode(), newline=""))

    assert row["args"] == f"'{text}"


@pytest.mark.parametrize("text", ["", "(1,)", "a=b", "1-2", "shop.pay", "´=", "x@y"])
def test_what_is_no_formula_stays_as_it_is(text):
    assert harmless(text) == text


def test_every_cell_is_quoted(get, cast):
    rows.task(cast.production, args='say "no", twice\nor so')

    lines = get(payload="1").getvalue().decode()

    assert all(line.startswith('"') for line in lines.split("\r\n")[:-1])
    assert '"say ""no"", twice\nor so"' in lines


def test_the_ledger_says_who_took_what_and_how_much_it_was(get, cast):
    for _ in range(3):
        rows.task(cast.production)

    content = get(format="jsonl", queue="emails").getvalue()

    assert told("request") == [("allowed", {"filter": {"queue": "emails"}, "format": "jsonl", "payload": False})]
    assert told("result") == [
        ("succeeded", {"rows": 3, "sha256": hashlib.sha256(content).hexdigest(), "complete": True})
    ]
    assert Entry.objects.get(phase="result").actor_id == Entry.objects.get(phase="request").actor_id


def test_what_is_broken_off_is_on_record_as_that(get, cast, monkeypatch):
    monkeypatch.setattr(pagination, "STEP", 1)
    for _ in range(3):
        rows.task(cast.production)

    answer = get()
    chunks = iter(answer.streaming_content)
    taken = next(chunks) + next(chunks)
    for close in answer._resource_closers:  # as the server does when the client has gone
        close()

    assert told("result") == [("failed", {"rows": 1, "sha256": hashlib.sha256(taken).hexdigest(), "complete": False})]


def test_a_server_that_asks_asynchronously_gets_each_step_when_it_asks(cast, monkeypatch):
    monkeypatch.setattr(pagination, "STEP", 2)
    for _ in range(5):
        rows.task(cast.production)

    async def ask():
        answer = await AsyncClient().get(EXPORT, headers={"Authorization": f"Bearer {cast.tokens['vera']}"})
        chunks = aiter(answer)
        first = [await anext(chunks), await anext(chunks)]
        rows_then = answer._resource_closers[0].__self__._rows
        return [*first, *[chunk async for chunk in chunks]], rows_then

    chunks, rows_then = async_to_sync(ask)()

    assert (len(chunks), rows_then) == (4, 2)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"format": "xls"}, "format"),
        ({"payload": "yes"}, "payload"),
        ({"cursor": "x"}, "cursor"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_an_export_does_not_know_is_a_problem_and_leaves_no_entry(get, cast, query, pointer):
    answer = get(**query)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)
    assert not Entry.objects.exists()


def test_the_panel_exports_its_view_to_members_only(client, cast):
    rows.task(cast.production, queue="media")
    wanted = rows.task(cast.production)

    for who, status in [("vera", 200), ("stan", 404)]:
        client.force_login(cast.user(who), backend="django.contrib.auth.backends.ModelBackend")
        answer = client.get(PANEL, {"format": "jsonl", "q": "queue:emails", "since": "1h"})
        assert answer.status_code == status
        if status == 200:
            assert json.loads(answer.getvalue())["task_id"] == wanted.task_id
            assert "attachment" in answer["Content-Disposition"]
    assert told("request")[0][1]["filter"] == {"queue": "emails", "since": "1h"}
    assert client.get(PANEL, {"format": "xls"}).status_code in (400, 404)
