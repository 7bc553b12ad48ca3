"""What the address of the tasks list means, and the addresses it is made into."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from tests import rows
from z4j_brain.tasks import queries
from z4j_brain.tasks.query_string import View
from z4j_brain.tasks.states import TaskState

ALL = rows.held()


def view(query):
    return View.from_query(QueryDict(query))


@pytest.mark.parametrize(
    ("query", "text", "qualifiers"),
    [
        ("q=queue:emails receipt", "receipt", {"queue": "emails"}),
        ('q=name:"shop.send receipt" x', "x", {"name": "shop.send receipt"}),
        ("q=state:running", "", {"state": "started"}),
        ("state=dead_lettered", "", {"state": "dead_lettered"}),
        ("q=state:dead_letter", "", {"state": "dead_lettered"}),
        ("q=args.customer:7", "args.customer:7", {}),
        ("queue=emails&q=queue:media", "", {"queue": "media"}),
    ],
)
def test_qualifiers_stand_in_the_box_or_in_parameters(query, text, qualifiers):
    found = view(query)
    assert (found.text, dict(found.qualifiers)) == (text, qualifiers)


def test_an_address_leads_back_to_the_same_view():
    found = view("q=queue:emails receipt&since=1h")
    assert view(found.address.removeprefix("?")) == found


def test_a_changed_filter_starts_at_the_first_page():
    found = view("queue=emails&cursor=abc")
    assert found.with_state(TaskState.FAILED).cursor == found.without("queue").cursor == ""


def test_an_unknown_range_is_the_usual_one():
    assert view("since=soon").since == "24h"


def test_a_view_says_what_it_is_about():
    assert str(view("q=receipt&state=failed&queue=emails")) == "failed tasks in emails that match “receipt”"


def shown(query, environment, held=ALL):
    page = queries.page(environment, view(query).narrowing(environment), None, 50, held)
    return [task.task_id for task in page.results]


def test_a_view_narrows_to_what_it_says(cast):
    ago = timezone.now() - timedelta(hours=2)
    wanted = rows.task(cast.production, error_type="smtplib.SMTPServerDisconnected")
    rows.task(cast.production, queue="media")
    rows.task(cast.production, state="succeeded")
    rows.task(cast.production, finished_at=ago, error_type="SMTPServerDisconnected")

    assert shown("q=queue:emails error:smtp&state=failed&since=1h", cast.production) == [wanted.task_id]


@pytest.mark.parametrize("pasted", ["{}", '"{}"', " {}\n", "task {}"[5:], "({}),", "‘{}’"])
@pytest.mark.parametrize("how", [str, str.upper, lambda task_id: task_id[:8]])
def test_an_id_finds_its_task_however_it_is_pasted(cast, pasted, how):
    wanted = rows.task(cast.production, task_id="c41f7a02-5be3-4c1e-9d2a-6f0e8b1d7a95")
    rows.task(cast.production, task_id="c41f7a12-5be3-4c1e-9d2a-6f0e8b1d7a95")
    rows.task(cast.staging, task_id="c41f7a02-0000-4c1e-9d2a-6f0e8b1d7a95")

    query = QueryDict(mutable=True)
    query["q"] = pasted.format(how(wanted.task_id))

    assert shown(query.urlencode(), cast.production) == [wanted.task_id]


@pytest.mark.parametrize("task_id", ["cron:report:1690", "Order-7/ß", "state:failed"])
def test_an_id_of_any_form_finds_its_task(cast, task_id):
    rows.task(cast.production, task_id=task_id, state="queued")
    query = QueryDict(mutable=True)
    query["q"] = task_id

    assert shown(query.urlencode(), cast.production) == ([task_id] if task_id != "state:failed" else [])


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("tag:checkout", "Tasks carry no tags yet"),
        ("state:bogus", "There is no state “bogus”"),
        ("args.customer:7", "“args.customer:” is no qualifier"),
        ("queue:", "“queue:” needs a value"),
    ],
)
def test_what_a_box_does_not_understand_is_said(typed, said):
    (note,) = view(f"q={typed}").notes
    assert said in note


def test_what_is_understood_is_not_remarked_upon():
    assert not view("q=queue:emails name:shop.* error:SMTP state:dead_letter receipt").notes
    assert not view("q=http://relay:25").notes


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("name:shop.*", {"a", "b"}),
        ("name:shop.pay", {"b"}),
        ("error:time", {"b"}),
        ("error:shop.errors.T", {"b"}),
        ("error:Refused", {"a"}),
        ("name:none.*", set()),
        ("shop", {"a", "b"}),
        ("REPORT", {"c"}),
        ("queue:bulk", {"c"}),
        ("worker:w-1 engine:celery", {"b"}),
        ("state:running", {"c"}),
        ("state:bogus", set()),
    ],
)
def test_qualifiers_and_names_narrow(cast, typed, found):
    rows.task(cast.production, task_id="a", name="shop.send", error_type="Refused")
    rows.task(cast.production, task_id="b", name="shop.pay", error_type="shop.errors.TimedOut", worker="w-1")
    rows.task(cast.production, task_id="c", name="daily.report", queue="bulk", state="started")

    assert set(shown(f"q={typed}", cast.production)) == found


def test_a_range_of_its_own_is_kept_in_the_address_and_means_what_ended_within(cast):
    start = timezone.now().replace(microsecond=0) - timedelta(days=3)
    ended = rows.task(cast.production, finished_at=start)
    rows.task(cast.production, finished_at=start + timedelta(hours=1))
    rows.task(cast.production, state="queued")
    query = f"after={start:%Y-%m-%dT%H:%M:%SZ}&before={start + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"

    assert view(view(query).address.removeprefix("?")) == view(query)
    assert shown(query, cast.production) == [ended.task_id]
