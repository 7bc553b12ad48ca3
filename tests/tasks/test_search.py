"""Words in the texts of tasks: who finds what, what is written for it, and what is forgotten."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection

from tests import rows
from tests import wire as sent
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import ingest, queries, textindex
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.narrowing import Narrowing

ALL = rows.held()
ERROR = {"type": "shop.errors.Refused", "message": "Connection to relay-7 closed: Straße gesperrt"}


@pytest.fixture
def tell(cast):
    """Events of an agent in production, in as many batches as calls."""
    boot, seq = uuid.uuid4(), iter(range(1, 1000))

    def tell(*events, environment=("harbor", "production"), boot=boot):
        told = [sent.event(next(seq), kind, task_id, **more) for kind, task_id, more in events]
        ingest.ingest(cast.agent_key(*environment), sent.parsed(*told, boot=boot))

    return tell


def found(environment, text, held=ALL):
    page = queries.page(environment, Narrowing(search=text), None, 50, held)
    return {task.task_id for task in page.results}


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("relay-7", True),
        ("CLOSED conn", True),
        ("conn closed", False),
        ("conn", True),
        ("connection clo", True),
        ("strasse", True),
        ("refused", True),
        ("relay 8", False),
        ("'\"*:&|!()", False),
        ("closed' OR 'x", False),
    ],
)
def test_all_words_have_to_occur_the_last_as_a_beginning(cast, tell, text, hit):
    tell(("task.failed", "a", {"name": "n", "error": ERROR}), ("task.succeeded", "b", {"name": "n"}))

    assert found(cast.production, text) == ({"a"} if hit else set())


def test_messages_are_found_by_those_who_may_read_them_and_types_by_all(cast, tell):
    tell(("task.failed", "a", {"error": ERROR}))
    held = rows.held(Permission.VIEW_PAYLOAD)

    assert found(cast.production, "relay", held) == set()
    assert found(cast.production, "refused", held) == {"a"}
    assert found(cast.staging, "refused") == set()


def test_arguments_are_searched_where_the_environment_says_so(cast, tell):
    told = {"args": "('zanzibar',)", "kwargs": "{}", "name": "n"}
    tell(("task.received", "before", told))
    Environment.objects.filter(pk=cast.production.pk).update(search_arguments=True)
    tell(("task.received", "after", told), ("task.succeeded", "result", {"result": "'zanzibar'"}))
    cast.production.refresh_from_db()

    assert found(cast.production, "zanzibar") == {"after", "result"}
    assert found(cast.production, "zanzibar", rows.held(Permission.VIEW_PAYLOAD)) == set()

    Environment.objects.filter(pk=cast.production.pk).update(search_arguments=False)
    cast.production.refresh_from_db()
    assert found(cast.production, "zanzibar") == set()


def test_another_error_takes_the_place_of_the_first(cast, tell):
    tell(("task.retrying", "a", {"run": 1, "error": {"type": "First", "message": "one"}}))
    tell(("task.failed", "a", {"attempt": 1, "run": 2, "error": {"type": "Second", "message": "two"}}))

    assert found(cast.production, "second two") == {"a"}
    assert found(cast.production, "first") == set()


def test_what_is_forgotten_is_not_in_the_index(cast, tell):
    tell(("task.failed", "a", {"error": ERROR}), ("task.failed", "b", {"error": ERROR}))
    gone = Task.objects.get(task_id="a").pk

    textindex.forget(cast.production.pk, [gone])

    assert found(cast.production, "relay") == {"b"}


def test_a_task_that_is_gone_is_passed_over(cast, tell):
    tell(("task.failed", "a", {"error": ERROR}), ("task.failed", "b", {"error": ERROR}))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM tasks_event")
        cursor.execute("DELETE FROM tasks_task WHERE task_id = 'a'")

    assert found(cast.production, "relay") == {"b"}


@pytest.mark.parametrize("enough", [1, 99])
def test_of_very_many_matches_the_newest_are_considered_and_the_way_goes_on(cast, tell, monkeypatch, enough):
    monkeypatch.setattr(textindex, "CONSIDERED", 5)
    monkeypatch.setattr(textindex, "NEWEST", 5)
    monkeypatch.setattr(textindex, "ENOUGH", enough)
    tell(*(("task.failed", f"t{n}", {"queue": f"q{n % 2}", "error": ERROR}) for n in range(20)))
    wanted, seen, cursor, pages = Narrowing({"queue": ("q0",)}, search="relay"), [], None, 0

    while pages == 0 or cursor:
        page = queries.page(cast.production, wanted, cursor, 50, ALL)
        seen += [task.task_id for task in page.results]
        cursor, pages = page.next, pages + 1

    assert seen == [f"t{n}" for n in range(18, -1, -2)]
    assert pages >= 4
