"""Walks: complete, in order, bounded, and on the index they name, on both stores."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from tests import rows
from z4j_brain.tasks import queries, walk
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.narrowing import Narrowing
from z4j_brain.tasks.walk import By, Condition, Place

ALL = rows.held()
ANY = Condition.of(Q())


@pytest.fixture
def many(cast, monkeypatch):
    """120 tasks of which a few are special, and walks that look at 20 rows."""
    monkeypatch.setattr(walk, "BUDGET", 20)
    monkeypatch.setattr(walk, "SCATTERED", 20)
    monkeypatch.setattr(walk, "LEAST", 5)
    now = timezone.now()
    Task.objects.bulk_create(
        Task(
            environment=cast.production,
            engine="celery",
            task_id=f"t{n}",
            name=f"shop.task_{n % 4}",
            queue=f"q{n % 3}",
            worker="rare" if n % 50 == 7 else "usual",
            state="failed" if n % 10 == 0 else "succeeded",
            error_type="Refused" if n % 10 == 0 else "",
            parent_id="t0" if n % 2 else "",
            first_at=now,
            last_at=now,
            finished_at=now,
        )
        for n in range(120)
    )
    rows.task(cast.staging, worker="rare")
    return cast.production


def walked(environment, size=7, back=False, **equal):
    """Task ids of all pages, one after the other, there or back; and how many pages ended early."""
    wanted = Narrowing({name: (value,) for name, value in equal.items()})
    pages, page = [], queries.page(environment, wanted, None, size, ALL)
    while True:
        pages.append(page)
        if not page.next:
            break
        page = queries.page(environment, wanted, page.next, size, ALL)
    if back:
        pages = [page]
        while page.previous:
            page = queries.page(environment, wanted, page.previous, size, ALL)
            pages.insert(0, page)
    return [task.task_id for page in pages for task in page.results], sum(bool(page.looked) for page in pages)


@pytest.mark.parametrize(
    "equal",
    [
        {},
        {"worker": "rare"},
        {"worker": "nobody"},
        {"state": "failed"},
        {"state": "succeeded", "worker": "rare"},
        {"name": "shop.task_3", "worker": "rare"},
        {"queue": "q1", "name": "shop.task_3"},
        {"error_type": "Refused", "queue": "q0"},
        {"parent_id": "t0", "state": "succeeded"},
    ],
)
@pytest.mark.parametrize("back", [False, True])
def test_however_little_one_page_looks_at_all_pages_together_miss_nothing(many, equal, back):
    expected = Task.objects.filter(environment=many, **equal).order_by("-id").values_list("task_id", flat=True)

    seen, _ = walked(many, back=back, **equal)

    assert seen == list(expected)


def test_a_page_that_ends_early_says_so_and_how_much_it_looked_at(many):
    page = queries.page(many, Narrowing({"worker": ("rare",)}), None, 10, ALL)

    assert [task.task_id for task in page.results] == ["t107"]
    assert (page.looked, bool(page.next)) == (20, True)


def test_several_ways_are_one_list(many):
    wanted = Narrowing(search="shop.task")
    first = queries.page(many, wanted, None, 50, ALL)
    second = queries.page(many, wanted, first.next, 50, ALL)

    assert [task.task_id for task in first.results] == [f"t{n}" for n in range(119, 69, -1)]
    assert [task.task_id for task in second.results] == [f"t{n}" for n in range(69, 19, -1)]
    assert (first.looked, first.previous is None, bool(second.previous)) == (0, True, True)


def test_an_export_is_the_whole_list(many, monkeypatch):
    steps = queries.everything(many, Narrowing({"worker": ("rare",)}), ALL)

    assert [task.task_id for step in steps for task in step] == ["t107", "t57", "t7"]


def test_a_walk_stops_where_it_was_told_to(many):
    found = walk.find(many.pk, [By()], Condition.of(Q(worker="nobody")), Place(), 5)
    ids = list(Task.objects.filter(environment=many).order_by("-id").values_list("pk", flat=True))

    assert (found.ids, found.edge, found.looked) == ([], ids[19], 20)
    assert walk.find(many.pk, [By()], Condition.of(Q(worker="nobody")), Place(ids[-20]), 5).edge is None


def test_what_cannot_be_met_costs_no_query(many, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert walk.find(many.pk, [By()], Condition.of(Q(pk__in=[])), Place(), 5).ids == []
        assert walk.find(many.pk, [], ANY, Place(), 5).ids == []


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize(
    ("way", "index"),
    [
        (By(), "task_list"),
        (By("state", "lost"), "task_state"),
        (By("name", "shop.task_1"), "task_name"),
        (By("queue", "q1"), "task_queue"),
        (By("error_type", "Refused"), "task_error"),
        (By("parent_id", "t0"), "task_parent"),
    ],
)
def test_each_way_takes_its_index_and_sorts_nothing(cast, way, index, down):
    """With rows enough that PostgreSQL has a choice, and statistics to choose by."""
    now = timezone.now() - timedelta(days=1)
    usual = {"environment": cast.production, "engine": "celery", "first_at": now, "last_at": now}
    Task.objects.bulk_create(
        Task(
            **usual,
            task_id=f"t{n}",
            name=f"shop.task_{n % 5}",
            queue=f"q{n % 3}",
            state="failed" if n % 9 == 0 else "succeeded",
            error_type="Refused" if n % 9 == 0 else "",
            parent_id="t0" if n % 4 == 0 else "",
        )
        for n in range(4_000)
    )
    place = Place(start=Task.objects.order_by("id")[2_000].pk, down=down)
    inner, params = walk._walked(cast.production.pk, way, {"worker"}, place, 5)
    postgres = connection.vendor == "postgresql"

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tasks_task" if postgres else "SELECT 1")
        cursor.execute(f"EXPLAIN {'' if postgres else 'QUERY PLAN'} {inner}", params)
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())

    assert f" {index}" in plan
    assert "Sort" not in plan and "TEMP B-TREE" not in plan
