"""A schedule that is sent later and later says so."""

from __future__ import annotations

from tests.schedules.said import MINUTE, NOON, SECOND, fired, give, told
from z4j_brain.schedules import drift
from z4j_brain.schedules.models import Schedule


def test_a_schedule_that_falls_behind_says_how_far_and_one_that_keeps_time_does_not(cast):
    key = cast.agent_key()
    give(key, told(NOON - MINUTE, "late", cron="* * * * *"), told(NOON - MINUTE, "steady", cron="* * * * *"))
    assert drift.of(Schedule.objects.get(key="late")) is None
    for minute in range(8):
        due = NOON + minute * MINUTE
        give(key, fired(due + SECOND * (1 + minute), f"l{minute}", "late"), fired(due + SECOND, f"s{minute}", "steady"))
    give(key, fired(NOON + 30 * MINUTE, "asked", "steady", asked=True))

    behind, steady = (drift.of(Schedule.objects.get(key=name)) for name in ("late", "steady"))

    assert behind and steady
    assert (behind.usual, behind.lately, behind.most, behind.grows) == (2500.0, 6500.0, 8000.0, True)
    assert (steady.usual, steady.lately, steady.grows) == (1000.0, 1000.0, False)
    assert steady.words == "1.0 s after it is due; 1.0 s at most"
