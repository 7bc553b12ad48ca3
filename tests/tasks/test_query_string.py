"""What the address of the tasks list means, and the addresses it is made into."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from tests import rows
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.query_string import View
from z4j_brain.tasks.states import TaskState


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


def test_a_view_narrows_to_what_it_says(cast):
    now = timezone.now()
    wanted = rows.task(cast.production, error_type="smtplib.SMTPServerDisconnected")
    rows.task(cast.production, queue="media")
    rows.task(cast.production, state="succeeded")
    rows.task(cast.production, last_at=now - timedelta(hours=2), error_type="SMTPServerDisconnected")

    found = view("q=queue:emails error:smtp&state=failed&since=1h").narrow(Task.objects.all(), cast.production)

    assert list(found) == [wanted]


def test_a_short_id_finds_its_task(cast):
    wanted = rows.task(cast.production, task_id="c41f7a02-5be3-4c1e-9d2a-6f0e8b1d7a95")
    rows.task(cast.production, task_id="c41f7a12-5be3-4c1e-9d2a-6f0e8b1d7a95")
    rows.task(cast.staging, task_id="c41f7a02-0000-4c1e-9d2a-6f0e8b1d7a95")
    assert list(view("q=c41f7a02").narrow(Task.objects.all(), cast.production)) == [wanted]
