"""The settings of an environment: what may be set, by whom, and what is said about it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows
from z4j_brain.lib import bulk, disk

API, PAGE = "/api/v1/harbor/production/settings/", "/harbor/production/settings/"
FORM = {"tasks_days": "30", "events_days": "14", "rollups_days": "400", "operations_days": "400"}


@pytest.fixture
def page(client, cast):
    client.force_login(cast.user("olive"), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"tasks_days": 0}, "#/tasks_days"),
        ({"operations_days": 3651}, "#/operations_days"),
        ({"events_days": 31}, "#/events_days"),
        ({"rollups_days": 29}, "#/rollups_days"),
        ({"audit_days": 30}, "#/audit_days"),
    ],
)
def test_what_cannot_be_is_pointed_at(client, cast, asked, pointer):
    answer = client.patch(API, asked, content_type="application/json", **cast.bearer("olive"))

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)


def test_only_what_is_named_changes(client, cast):
    asked = {"tasks_days": 60, "search_arguments": True}
    answer = client.patch(API, asked, content_type="application/json", **cast.bearer("olive"))

    expected = {"tasks_days": 60, "events_days": 14, "rollups_days": 400, "operations_days": 400}
    assert answer.json() == expected | {"search_arguments": True, "reason_required": False, "trace_link": ""}
    assert client.get(API, **cast.bearer("vera")).json() == answer.json()


def test_the_page_says_what_would_go_before_it_does(page, cast):
    old = timezone.now() - timedelta(days=20)
    rows.task(cast.production, first_at=old, last_at=old)

    asked = page.post(PAGE, FORM | {"tasks_days": "15"})
    cast.production.refresh_from_db()
    assert cast.production.tasks_days == 30
    assert "With these days" in asked.content.decode()
    agreed = page.post(PAGE, FORM | {"tasks_days": "15", "agreed": "1"}, follow=True)

    cast.production.refresh_from_db()
    assert (agreed.status_code, cast.production.tasks_days) == (200, 15)


def test_an_error_stands_beside_its_field(page):
    told = page.post(PAGE, FORM | {"events_days": "31"})

    assert told.status_code == 400
    assert 'id="events_days-error"' in told.content.decode()
    assert "at most 30 days" in told.content.decode()


def test_a_disk_that_runs_low_is_said_on_every_page_to_whoever_may_do_something(page, cast, monkeypatch):
    monkeypatch.setattr(disk, "LOW", 1.1)  # every disk has less than that

    told = page.get("/harbor/production/tasks/").content.decode()
    assert ('id="low-disk"' in told) == (not bulk.on_postgres())  # whose disk is not ours to watch
    page.force_login(cast.user("vera"), backend="django.contrib.auth.backends.ModelBackend")
    assert 'id="low-disk"' not in page.get("/harbor/production/tasks/").content.decode()
