"""The tasks around a task: who they are, how they stand to each other, and what of them is drawn."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import rows
from z4j_brain.rbac import granting
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.states import Role
from z4j_brain.tasks import picture, relatives, workflow
from z4j_brain.tasks.models import Task


@pytest.fixture
def add(cast):
    def add(task_id, **fields):
        return rows.task(cast.production, task_id=task_id, **{"state": "succeeded", **fields})

    return add


def flow(task, actor=SYSTEM):
    return workflow.workflow(relatives.relatives(actor, task))


def told(sets):
    """A forest as nested lists of ids; what a group ends in stands behind an arrow, what is folded as its words."""
    found = []
    for one in sets:
        found += [(node.task.task_id, told(node.sets)) if node.sets else node.task.task_id for node in one.nodes]
        found += [one.rest] if one.folded else []
        found += [("->", end.task.task_id, *told(end.sets)) for end in one.ends]
    return found


def words(sets):
    found = {}
    for one in sets:
        for node in one.every:
            found |= {node.task.task_id: node.word} | words(node.sets)
    return {name: word for name, word in found.items() if word}


def test_a_task_stands_among_its_parents_children_and_retries(cast, add):
    add("root")
    add("parent", parent_id="root", root_id="root")
    add("first", parent_id="parent", root_id="root")
    add("second", retry_of="first")
    here = add("third", retry_of="second", parent_id="parent", root_id="root")
    add("fourth", retry_of="third")
    add("child", parent_id="third", root_id="root")
    add("elsewhere", parent_id="other")
    rows.task(cast.staging, task_id="parent", parent_id="third")

    found = flow(here)

    assert told(found.tops) == [("root", [("parent", [("first", [("second", [("third", ["fourth", "child"])])])])])]
    assert words(found.tops) == {
        "root": "root",
        "parent": "parent",
        "first": "original",
        "second": "original",
        "fourth": "retried as",
        "child": "child",
    }


def test_a_task_that_stands_alone_or_names_itself_has_no_workflow(add):
    assert flow(add("alone")) is None
    assert flow(add("own", parent_id="own", root_id="own", retry_of="own")) is None


def test_two_that_name_each_other_are_told_once_each(add):
    left = add("left", retry_of="right", parent_id="right")
    add("right", retry_of="left", parent_id="left")

    assert told(flow(left).tops) == [("right", ["left"])]


def test_what_a_group_ends_in_stands_behind_all_of_it_from_wherever_it_is_looked_at(add):
    members = [add(f"m{number}", group_id="g", root_id=f"m{number}") for number in range(3)]
    add("after", parent_id="m1", group_id="g")
    add("last", parent_id="after")
    add("again", retry_of="m0", group_id="g")

    drawn = [("m0", ["again"]), "m1", "m2", ("->", "after", "last")]
    for task in (*members, Task.objects.get(task_id="after"), Task.objects.get(task_id="last")):
        found = flow(task)
        assert told(found.tops) == drawn
        assert found.tops[0].label == "chord of 3"
    figure = picture.picture(found)
    at = {box.node.task.task_id: box for box in figure.boxes}
    assert at["after"].y == at["m1"].y
    assert at["m0"].x < at["again"].x < at["after"].x < at["last"].x
    ends = f"H{at['after'].x}"
    assert sum(line.path.endswith(ends) for line in figure.lines) == 3


def test_a_child_that_is_in_the_group_of_its_parent_is_no_end_of_it_while_others_run(add):
    add("a", group_id="g")
    add("b", group_id="g", state="started")
    add("c", group_id="g", parent_id="a")

    assert told(flow(Task.objects.get(task_id="a")).tops) == [("a", ["c"]), "b"]


def test_a_group_below_a_task_that_ends_in_nothing_is_a_group(add):
    parent = add("parent")
    for number in range(4):
        add(f"child-{number}", parent_id="parent", group_id="g")
    add("other", parent_id="parent")

    found = flow(parent)

    below = found.tops[0].nodes[0].sets
    assert [one.label for one in below] == ["group of 4", ""]
    (frame,) = picture.picture(found).frames
    assert frame.label == "group of 4"


def test_what_is_too_much_to_draw_is_folded_and_failures_stay(cast, add):
    parent = add("parent")
    Task.objects.bulk_create(
        Task(
            environment=cast.production,
            engine="celery",
            task_id=f"child-{number}",
            state="failed" if number >= 960 else "succeeded",
            parent_id="parent",
            first_at=parent.first_at,
            last_at=parent.last_at,
        )
        for number in range(990)
    )
    here = Task.objects.get(task_id="child-500")

    found = flow(here)

    (below,) = found.tops[0].nodes[0].sets
    assert (found.words, below.rest) == ("991 tasks, 30 failed", "and 978 more, 19 failed")
    assert [node.task.task_id for node in below.nodes][:2] == ["child-500", "child-960"]
    assert below.query == "parent=parent&engine=celery&since=all"
    assert len(picture.picture(found).boxes) <= workflow.DRAWN


def test_however_many_there_are_a_bounded_number_is_read(cast, add):
    parent = add("parent")
    Task.objects.bulk_create(
        Task(
            environment=cast.production,
            engine="celery",
            task_id=f"child-{number}",
            state="succeeded",
            parent_id="parent",
            first_at=parent.first_at,
            last_at=parent.last_at,
        )
        for number in range(1_200)
    )
    for step in range(60):
        add(f"step-{step}", parent_id=f"step-{step - 1}" if step else "")

    with CaptureQueriesContext(connection) as caught:
        found = flow(Task.objects.get(task_id="child-7"))
    assert (found.size, found.more) == (1_000, True)
    assert found.words == "1,000+ tasks"
    assert len(caught) < 10

    with CaptureQueriesContext(connection) as caught:
        found = flow(Task.objects.get(task_id="step-30"))
    assert (found.size, found.more) == (49, True)
    assert len(caught) <= 24 + 2 * 24 + 5


def test_boxes_never_lie_on_one_another(add):
    add("top")
    for number in range(7):
        add(f"a{number}", parent_id="top", group_id="g" if number < 5 else "")
        for inner in range(number % 4):
            add(f"b{number}-{inner}", parent_id=f"a{number}", group_id=f"h{number}")
    add("end", parent_id="a2", group_id="g")
    for number in range(9):
        add(f"c{number}", parent_id="end")

    figure = picture.picture(flow(Task.objects.get(task_id="a3")))

    corners = sorted((box.x, box.y) for box in figure.boxes)
    assert len(corners) == 27
    for (x, y), (other, below) in zip(corners, corners[1:], strict=False):
        assert x != other or below - y >= picture.HEIGHT
    assert max(y for _, y in corners) + picture.HEIGHT <= figure.height


def test_who_sees_some_queues_alone_sees_the_tasks_of_those(cast, add):
    here = add("here", queue="emails")
    add("mine", parent_id="here", queue="emails")
    add("hidden", parent_id="here", queue="secret")
    add("behind", parent_id="hidden", queue="emails")
    granting.give(cast.production, cast.user("stan"), Role.VIEWER, queue_glob="emails", actor=SYSTEM)

    assert told(flow(here, cast.actor("stan")).tops) == [("here", ["mine"])]


def test_the_page_draws_it_with_links_and_says_it_as_a_list(client, cast, add):
    client.force_login(cast.user("vera"), backend="django.contrib.auth.backends.ModelBackend")
    parent = add("parent", name="shop.<b>checkout</b>")
    here = add("here", parent_id="parent", state="failed")

    page = client.get(f"/harbor/production/tasks/{here.pk}/").content.decode()

    assert '<h2 id="wf">Workflow</h2><p>2 tasks, 1 failed</p>' in page
    assert page.count(f'href="/harbor/production/tasks/{parent.pk}/"') == 2
    assert "<b>checkout" not in page
    assert "send_receipt, this task" in page
