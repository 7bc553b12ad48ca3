"""Failures become issues. That any order and split gives the same ones is proved with the tasks: see tests/tasks."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests import rows
from tests import wire as sent
from tests.issues.stage import OWN, failed, issue, traceback
from z4j_brain.issues import ingest as issues
from z4j_brain.issues.models import Hour, Issue
from z4j_brain.issues.states import IssueState
from z4j_brain.tasks import failing
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Task


@pytest.fixture
def key(cast):
    return cast.agent_key()


def give(key, *events: Any) -> None:
    ingest(key, sent.parsed(*events, boot=sent.BOOT), 1)


def test_the_innermost_own_frame_is_chosen_and_numbers_of_lines_and_releases_do_not_split():
    told = [traceback(), traceback(line=91), traceback(file=OWN.replace("20261127", "20261128"))]
    assert len({failing.fingerprint("TimeoutError", one, "shop.charge") for one in told}) == 1
    frame = failing.innermost(told[1])
    assert frame is not None
    assert (frame.function, frame.where) == ("charge", "20261127/shop/pay.py:91")


@pytest.mark.parametrize(
    "other",
    [
        ("ValueError", traceback(), "shop.charge"),
        ("TimeoutError", traceback(function="refund"), "shop.charge"),
        ("TimeoutError", traceback(file="/srv/shop/other.py"), "shop.charge"),
        ("TimeoutError", traceback(), "shop.refund"),
        ("TimeoutError", "", "shop.charge"),
    ],
)
def test_another_exception_frame_or_name_is_another_issue(other):
    assert failing.fingerprint(*other) != failing.fingerprint("TimeoutError", traceback(), "shop.charge")


def test_code_beside_the_agents_or_in_a_folder_called_like_them_is_its_owners():
    for file in ("/srv/z4j/z4j_agents/z4j-celery/demo/shop/tasks.py", "/srv/z4j_shop/pay.py"):
        assert failing.innermost(traceback(file=file)) is not None, file


def test_frames_of_libraries_of_python_and_of_agents_are_nobodys_own():
    for file in (
        "/usr/lib/python3.12/json/decoder.py",
        "C:\\Python312\\Lib\\json\\decoder.py",
        "C:\\shop\\.venv\\Lib\\site-packages\\requests\\api.py",
        "/srv/z4j/z4j_agents/z4j-celery/src/z4j_celery/hooks.py",
        "<frozen importlib._bootstrap>",
    ):
        assert failing.innermost(traceback(file=file)) is None, file


def test_four_failures_of_two_kinds_are_two_issues(key):
    give(key, *(failed(seq, f"t{seq}", seq, line=80 + seq) for seq in (1, 2, 3)), failed(4, "t4", 4, type="KeyError"))
    assert {row.error_type: row.count for row in Issue.objects.all()} == {"TimeoutError": 3, "KeyError": 1}
    timeout = Issue.objects.get(error_type="TimeoutError")
    last = Task.objects.get(task_id="t3")
    assert (timeout.frame, timeout.sample, timeout.message) == ("20261127/shop/pay.py:83", last.pk, "no answer")
    assert set(Task.objects.values_list("issue", flat=True)) == set(Issue.objects.values_list("fingerprint", flat=True))


def test_a_task_that_fails_again_after_its_engine_tried_again_counts_once(key):
    retrying = failed(1, "t1", 1, kind="task.retrying")
    give(key, retrying)
    assert not Issue.objects.exists()
    give(key, failed(2, "t1", 2, attempt=1), failed(3, "t1", 3, attempt=2))
    assert Issue.objects.get().count == 1


def test_what_succeeds_after_all_takes_its_untouched_issue_along(key):
    give(key, failed(1, "t1", 1))
    give(key, sent.event(2, "task.succeeded", "t1", attempt=1, ts=sent.START + 9_000_000))
    assert not Issue.objects.exists()
    assert not Hour.objects.exists()
    assert Task.objects.get().issue == ""


def test_the_release_of_the_worker_that_saw_it_first_stays(cast, key):
    rows.worker(cast.production, name="w1", facts={"code": "v411"})
    rows.worker(cast.production, name="w2", facts={"code": "v412"})
    give(key, failed(1, "t1", 1, worker="w1"), failed(2, "t2", 2, worker="w2"))
    found = Issue.objects.get()
    assert (found.first_code, found.last_code) == ("v411", "v412")


def test_a_failure_after_it_was_resolved_opens_it_again_and_an_older_one_does_not(key):
    give(key, failed(1, "t1", 1))
    resolved = Issue.objects.get().last_at + timedelta(seconds=5)
    Issue.objects.update(state=IssueState.RESOLVED, resolved_at=resolved, resolved_code="v398")
    give(key, failed(2, "t2", 4))
    assert Issue.objects.get().state == IssueState.RESOLVED
    give(key, failed(3, "t3", 7))
    back = Issue.objects.get()
    assert (back.state, back.count, back.resolved_code) == (IssueState.OPEN, 3, "v398")
    assert back.is_back
    assert back.regressed_at == resolved + timedelta(seconds=1)


def test_snoozed_until_it_doubles_and_until_a_time(cast, key):
    give(key, failed(1, "t1", 1))
    Issue.objects.update(state=IssueState.SNOOZED, snoozed_to=2)
    give(key, failed(2, "t2", 2))
    assert Issue.objects.get().state == IssueState.OPEN

    soon = timezone.now() + timedelta(hours=1)
    due = issue(cast.production, name="due", state="snoozed", snoozed_until=timezone.now() - timedelta(seconds=1))
    later = issue(cast.production, name="later", state="snoozed", snoozed_until=soon)
    issues.wake()
    due.refresh_from_db()
    later.refresh_from_db()
    assert (due.state, later.state) == (IssueState.OPEN, IssueState.SNOOZED)


def test_an_issue_goes_when_none_of_its_tasks_is_kept(cast, key):
    give(key, failed(1, "t1", 1))
    old = timezone.now() - timedelta(days=cast.production.tasks_days + 2)
    Issue.objects.update(last_at=old)
    issues.prune()
    assert Issue.objects.exists()
    Task.objects.all().delete()
    issues.prune()
    assert not Issue.objects.exists()


def test_environments_have_issues_of_their_own(cast):
    for place in ("production", "staging"):
        ingest(cast.agent_key("harbor", place), sent.parsed(failed(1, "t1", 1), boot=uuid.uuid4()), 1)
    assert sorted(Issue.objects.values_list("environment__slug", "count")) == [("production", 1), ("staging", 1)]
