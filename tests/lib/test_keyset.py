from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.core import signing
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from z4j_brain.lib import keyset
from z4j_brain.lib.problem import Problem
from z4j_brain.rbac.models import Project, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def projects():
    return Project.objects.bulk_create([Project(slug=f"p{n}", name=f"name {n % 3}") for n in range(13)])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(size=st.integers(1, 15), order=st.sampled_from(["-id", "id", "-name", "name", "slug"]))
def test_walking_there_and_back_meets_every_row_once(projects, size, order):
    rows, cursor, pages = Project.objects.all(), None, []
    while True:
        page = keyset.page(rows, cursor, size, order)
        pages.append([row.pk for row in page.results])
        if page.next is None:
            break
        cursor = page.next
    back = [pages[-1]]
    while page.previous:
        page = keyset.page(rows, page.previous, size, order)
        back.append([row.pk for row in page.results])

    sign = "-" if order.startswith("-") else ""
    assert sum(pages, []) == [row.pk for row in Project.objects.order_by(order, f"{sign}pk")]
    assert back[::-1] == pages


def test_rows_that_arrive_meanwhile_move_nothing(projects):
    first = keyset.page(Project.objects.all(), None, 5)
    Project.objects.create(slug="new", name="new")

    second = keyset.page(Project.objects.all(), first.next, 5)

    assert [row.slug for row in second.results] == ["p7", "p6", "p5", "p4", "p3"]
    assert keyset.page(Project.objects.all(), second.previous, 9).results[0].slug == "new"


def test_dates_and_uuids_order_a_list_too():
    User.objects.bulk_create([User(username=f"u{n}", date_joined=timezone.now()) for n in range(5)])

    first = keyset.page(User.objects.all(), None, 3, "-date_joined")
    second = keyset.page(User.objects.all(), first.next, 3, "-date_joined")

    assert len({row.pk for row in first.results + second.results}) == 5


@pytest.mark.parametrize(
    "tamper", [lambda cursor: cursor[:-1], lambda cursor: "x" + cursor, lambda cursor: "\x00", lambda cursor: "é:é:é"]
)
def test_a_tampered_cursor_is_a_problem_with_a_pointer(projects, tamper):
    cursor = keyset.page(Project.objects.all(), None, 5).next

    with pytest.raises(Problem) as caught:
        keyset.page(Project.objects.all(), tamper(cursor), 5)

    assert (caught.value.status, caught.value.code) == (400, "cursor")
    assert caught.value.errors[0]["pointer"] == "cursor"


@pytest.mark.parametrize("content", [["-id", False, "x", "x"], ["-id"], "text", ["-id", False, None, None], 7])
def test_a_cursor_signed_over_nonsense_is_no_better(projects, content):
    with pytest.raises(Problem):
        keyset.page(Project.objects.all(), signing.dumps(content, salt="z4j.keyset"), 5)


def test_a_cursor_of_one_order_does_not_serve_another(projects):
    cursor = keyset.page(Project.objects.all(), None, 5, "name").next

    with pytest.raises(Problem):
        keyset.page(Project.objects.all(), cursor, 5, "-id")


def test_an_empty_list_has_no_neighbours():
    assert keyset.page(Session.objects.all(), None, 5, "pk") == keyset.Page([], None, None)
