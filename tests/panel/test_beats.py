"""How often the websocket tells a page, and of what: of what it watches, a list once in a beat, with all lists."""

from __future__ import annotations

import pytest

from z4j_brain.panel import consumers
from z4j_brain.panel.consumers import Live

ENTER = 1000.0


@pytest.fixture
def page(monkeypatch):
    """A socket whose page watches this, at a moment a second after a beat began."""

    def page(*watched, whole=True):
        one = Live()
        one.watched, one.whole = consumers._watched(list(watched)), whole
        return one

    monkeypatch.setattr(consumers.time, "monotonic", lambda: ENTER + 1)
    return page


def test_a_list_is_told_at_once_and_then_when_the_next_beat_begins(page, monkeypatch):
    tasks, queues = page("task"), page("queue", "worker")

    assert tasks._pause() == consumers.GATHER
    assert tasks._pause() == consumers.BEAT - 1 + consumers.GATHER
    monkeypatch.setattr(consumers.time, "monotonic", lambda: ENTER + 4)
    assert queues._pause() == consumers.GATHER
    assert queues._pause() == consumers.BEAT - 4 + consumers.GATHER


def test_the_more_pages_are_open_the_longer_is_a_beat(page, monkeypatch):
    monkeypatch.setattr(Live, "held", Live.held.__class__({"somebody": 100}))
    tasks = page("task")
    tasks._pause()

    assert tasks._pause() == 100 / consumers.ASKING - 1 + consumers.GATHER


def test_a_page_of_one_thing_is_told_at_once(page):
    task = page("task:12", "alert")

    assert [task._pause(), task._pause()] == [consumers.GATHER] * 2


def test_a_page_is_told_of_what_it_watches_only(page):
    task = page("task:12", "queue")

    assert task._concerns("task", ["11", "12"])
    assert task._concerns("task", [])
    assert task._concerns("queue", ["3"])
    assert not task._concerns("task", ["11"])
    assert not task._concerns("operation", ["12"])
    assert page()._concerns("operation", ["12"])


def test_who_does_not_see_all_learns_nothing_of_a_thing_by_watching_it(page):
    assert page("task:12", whole=False)._concerns("task", ["11"])
