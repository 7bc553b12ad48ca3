"""Due times that nothing was told of are missed, or unknown: never guessed, never made twice, never beyond number."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.schedules.said import MINUTE, NOON, SECOND, at, fired, give, skipped, tick, told
from z4j_brain.agents.models import AgentKey
from z4j_brain.lib import listening
from z4j_brain.schedules import detection
from z4j_brain.schedules.models import Run, Schedule, Scheduler
from z4j_brain.schedules.states import OWN, RunState

HOUR = 60 * MINUTE


@pytest.fixture
def key(cast) -> AgentKey:
    return cast.agent_key()


def look(micros: int) -> None:
    """Housekeeping as it would have been then."""
    Schedule.objects.filter(check_at__isnull=False).update(check_at=at(NOON))
    detection.detect(at(micros))


def ticking(key: AgentKey, since: int, until: int) -> None:
    give(key, *(tick(moment) for moment in range(since, until + 1, 50 * SECOND)))


def runs() -> list[tuple[str, int]]:
    """What became of which minute after noon."""
    rows = Run.objects.order_by("moment").values_list("state", "moment")
    return [(state, round((moment - at(NOON)) / timedelta(minutes=1))) for state, moment in rows]


def test_what_a_living_scheduler_did_not_send_is_missed(key):
    give(key, told(NOON - MINUTE, cron="*/10 * * * *"), fired(NOON + SECOND, "t1"), fired(NOON + 20 * MINUTE, "t2"))
    ticking(key, NOON - MINUTE, NOON + 25 * MINUTE)
    look(NOON + 22 * MINUTE)
    assert runs() == [("pending", 0), ("missed", 10), ("pending", 20)]
    missed = Run.objects.get(state=RunState.MISSED)
    assert (missed.due_at, missed.why) == (at(NOON + 10 * MINUTE), "celerybeat was alive and did not send it.")


def test_what_nobody_could_send_is_unknown(key):
    give(key, told(NOON - MINUTE, cron="*/10 * * * *"))
    ticking(key, NOON - MINUTE, NOON + 5 * MINUTE)
    ticking(key, NOON + 15 * MINUTE, NOON + 25 * MINUTE)
    look(NOON + 22 * MINUTE)
    assert runs() == [("missed", 0), ("unknown", 10), ("missed", 20)]


def test_a_due_time_is_judged_after_its_grace_and_longer_where_the_loop_is_slow(key):
    give(key, told(NOON - MINUTE))
    give(key, *(tick(NOON + minute * MINUTE, every=3 * MINUTE) for minute in range(-1, 9)))
    look(NOON + 5 * MINUTE)
    assert runs() == []
    look(NOON + 7 * MINUTE)
    assert runs() == [("missed", 0)]


def test_what_is_told_later_takes_the_place_of_a_judgement(key):
    give(key, told(NOON - MINUTE))
    ticking(key, NOON - MINUTE, NOON + 5 * MINUTE)
    look(NOON + 2 * MINUTE)
    assert runs() == [("missed", 0)]
    give(key, fired(NOON + SECOND, "t1"))
    assert runs() == [("pending", 0)]
    look(NOON + 3 * MINUTE)
    assert runs() == [("pending", 0)]


def test_nobody_misses_what_was_skipped_disabled_planned_otherwise_or_gone(key):
    give(key, told(NOON - MINUTE, cron="*/10 * * * *"), skipped(NOON, NOON))
    give(key, told(NOON + 5 * MINUTE, cron="*/10 * * * *", enabled=False))
    give(key, told(NOON + 25 * MINUTE, cron="*/10 * * * *"))
    ticking(key, NOON - MINUTE, NOON + 60 * MINUTE)
    look(NOON + 29 * MINUTE)
    assert runs() == [("skipped", 0)]
    give(key, told(NOON + 35 * MINUTE, cron="45 * * * *"))
    look(NOON + 39 * MINUTE)
    assert runs() == [("skipped", 0)]
    look(NOON + 50 * MINUTE)
    assert runs() == [("skipped", 0), ("missed", 45)]


def test_a_run_a_little_beside_its_due_time_is_no_miss(key):
    give(key, told(NOON - MINUTE), fired(NOON + 40 * SECOND, "t1", due=NOON + 300_000))
    ticking(key, NOON - MINUTE, NOON + 5 * MINUTE)
    look(NOON + 4 * MINUTE)
    assert runs() == [("pending", 0)]


def test_an_interval_counts_from_whatever_was_last(key):
    give(key, told(NOON - MINUTE, plan="interval", every=10 * MINUTE, cron=""), fired(NOON + 3 * MINUTE, "t1"))
    ticking(key, NOON - MINUTE, NOON + 60 * MINUTE)
    look(NOON + 35 * MINUTE)
    assert runs() == [("pending", 3), ("missed", 13), ("missed", 23), ("missed", 33)]
    give(key, fired(NOON + 39 * MINUTE, "t2"))
    look(NOON + 51 * MINUTE)
    assert runs()[-2:] == [("pending", 39), ("missed", 49)]
    give(key, fired(NOON + 49 * MINUTE + 20 * SECOND, "t3"))
    look(NOON + 52 * MINUTE)
    assert runs()[3:] == [("missed", 33), ("pending", 39), ("pending", 49)]


def test_a_gap_that_has_closed_since_is_seen_all_the_same(key):
    give(key, told(NOON - MINUTE, plan="interval", every=10 * MINUTE, cron=""), fired(NOON, "t1"))
    give(key, fired(NOON + 30 * MINUTE, "t2"), fired(NOON + 40 * MINUTE + 50 * SECOND, "t3"))
    ticking(key, NOON - MINUTE, NOON + 60 * MINUTE)
    look(NOON + 45 * MINUTE)
    assert runs() == [("pending", 0), ("missed", 10), ("missed", 20), ("pending", 30), ("pending", 41)]


def test_a_one_shot_is_missed_once(key):
    give(key, told(NOON - MINUTE, plan="once", cron="", at=NOON))
    ticking(key, NOON - MINUTE, NOON + 60 * MINUTE)
    for minutes in (2, 5, 50):
        look(NOON + minutes * MINUTE)
    assert runs() == [("missed", 0)]
    assert Schedule.objects.get().check_at is None


def test_of_a_plan_that_only_its_scheduler_knows_the_next_time_that_it_told_counts(key):
    give(key, told(NOON - MINUTE, plan="other", cron="", next=NOON))
    ticking(key, NOON - MINUTE, NOON + 60 * MINUTE)
    look(NOON + 5 * MINUTE)
    look(NOON + 6 * MINUTE)
    assert runs() == [("missed", 0)]


def test_many_due_times_on_end_are_one_row_that_says_how_many(key):
    give(key, told(NOON - MINUTE, cron="* * * * *"))
    ticking(key, NOON - MINUTE, NOON + 30 * SECOND)
    look(NOON + 5 * HOUR)
    rows = Run.objects.order_by("moment").values_list("state", "times", "due_at", "until_at")
    assert list(rows) == [
        (RunState.UNKNOWN, 299, at(NOON), at(NOON + 298 * MINUTE)),
    ]
    look(NOON + 6 * HOUR)
    assert list(rows.all()) == [(RunState.UNKNOWN, 359, at(NOON), at(NOON + 358 * MINUTE))]
    give(key, fired(NOON + 10 * MINUTE, "t1"), fired(NOON, "t2"))
    assert list(rows.filter(task_id="")) == [(RunState.UNKNOWN, 357, at(NOON + MINUTE), at(NOON + 358 * MINUTE))]


def test_one_turn_makes_no_more_rows_than_it_may_and_loses_none(key):
    give(key, told(NOON - MINUTE, cron="* * * * *"), tick(NOON + 63 * MINUTE))
    alive = [NOON + minute * MINUTE - 20 * SECOND for minute in range(0, 62, 2)]  # over every other due time
    Scheduler.objects.update(spans=[[begun, begun + 40 * SECOND] for begun in alive])
    for _ in range(6):
        before = Run.objects.count()
        look(NOON + 63 * MINUTE)
        assert Run.objects.count() - before <= detection.ROWS
    assert runs() == [("unknown" if minute % 2 or minute == 62 else "missed", minute) for minute in range(63)]


def test_two_that_look_at_once_and_one_that_looks_again_make_no_run_twice(key):
    give(key, told(NOON - MINUTE, cron="*/10 * * * *"))
    ticking(key, NOON - MINUTE, NOON + 60 * MINUTE)
    for _ in range(3):
        look(NOON + 35 * MINUTE)
    assert runs() == [("missed", 0), ("missed", 10), ("missed", 20), ("missed", 30)]


def test_our_own_schedules_are_nobody_elses_to_judge(key):
    give(key, told(NOON - MINUTE))
    Schedule.objects.update(source=OWN)
    look(NOON + 5 * HOUR)
    assert runs() == []


def test_it_is_looked_at_again_when_its_next_due_time_is_past_its_grace(key):
    give(key, told(NOON - MINUTE))
    ticking(key, NOON - MINUTE, NOON + 5 * MINUTE)
    look(NOON + 5 * MINUTE)
    schedule = Schedule.objects.get()
    assert schedule.check_at == at(NOON + HOUR + MINUTE)
    assert schedule.next_at == at(NOON + HOUR)


def test_whoever_has_just_begun_to_listen_judges_nothing(key, monkeypatch):
    give(key, told(NOON - MINUTE))
    monkeypatch.setattr(detection, "_listening", listening.Listening())
    detection.turn()
    assert runs() == []
    detection._listening.since -= listening.SETTLE
    detection.turn()
    assert Run.objects.exists()
