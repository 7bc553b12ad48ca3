"""The port of schedulers: what is not overridden is not offered, and what is told of a firing."""

from __future__ import annotations

from typing import ClassVar

import pytest
from z4j_core.engine import Engine
from z4j_core.scheduler import Answer, Scheduler, Target, verb
from z4j_core.testing.recording import RecordingHost, Records
from z4j_core.timetable import Skip
from z4j_core.verbs import SCHEDULER_VERBS, VERBS
from z4j_core.wire import Outcome


class Toy(Scheduler):
    name = "toycron"
    engine = "toy"
    lacks: ClassVar = {"schedule_edit": "Its plans stand in code."}

    @verb(note="with its next turn")
    def schedule_disable(self, target, params):
        if target.name != "nightly":
            raise LookupError(target.name)
        return Answer(Outcome.DONE)

    def schedules(self):
        return []


@pytest.fixture
def toy(tmp_path):
    toy = Toy()
    toy.install(RecordingHost(tmp_path))
    return toy


def test_a_scheduler_offers_what_it_overrides_and_says_why_it_lacks_the_rest(toy):
    assert set(toy.capabilities()) == {"schedule_disable", "schedules"}
    assert toy.capabilities()["schedule_disable"]["note"] == "with its next turn"
    assert set(toy.missing()) == {*SCHEDULER_VERBS} - {"schedule_disable"}
    assert toy.missing()["schedule_edit"] == "Its plans stand in code."


def test_verbs_of_engines_and_of_schedulers_are_different_words():
    assert not {*VERBS} & {*SCHEDULER_VERBS}
    assert Toy().act("retry", Target("t"), {}).outcome == Outcome.UNSUPPORTED
    assert not Engine.defines("schedule_run")


def test_what_a_verb_raises_is_an_answer_without_what_it_was_about(toy):
    answer = toy.act("schedule_disable", Target(name="secret-name"), {})
    assert answer == Answer(Outcome.FAILED, "LookupError while asking toycron to schedule_disable.")


def test_a_verb_has_the_schedules_listed_again(toy):
    class News:
        known = 0

        def set(self):
            self.known += 1

    toy.news = news = News()
    toy.act("schedule_disable", Target(name="nightly"), {})
    toy.changed()
    assert news.known == 2


def test_a_firing_is_told_with_the_task_that_it_belongs_to(toy, tmp_path):
    toy.fired("nightly", "t1", due=5_000_000, name="shop.close")
    toy.fired("nightly", "t2", asked=True)
    toy.skipped("nightly", 6_000_000, Skip.OVERLAP)
    events = Records(tmp_path).events()
    told = [(event["kind"], event["engine"], event.get("task_id"), event["schedule"]) for event in events if event]
    assert told == [
        ("schedule.fired", "toycron", "t1", "nightly"),
        ("task.enqueued", "toy", "t1", "nightly"),
        ("schedule.fired", "toycron", "t2", "nightly"),
        ("task.enqueued", "toy", "t2", "nightly"),
        ("schedule.skipped", "toycron", None, "nightly"),
    ]
    assert events[0]["data"] == {"engine": "toy", "due": 5_000_000}
    assert events[2]["data"] == {"engine": "toy", "asked": True}
    assert events[4]["data"] == {"due": 6_000_000, "why": "overlap"}
