"""Plans of schedules: what can be kept and what cannot, when it is due, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from z4j_brain.lib import timing, zones
from z4j_brain.lib.timing import Kind, Plan, Wrong

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
BERLIN = zones.zone("Europe/Berlin")
MINUTE = 60_000_000


def cron(text: str, zone: str = "UTC") -> Plan:
    return timing.parse(Plan(Kind.CRON, cron=text, zone=zone))


@pytest.mark.parametrize(
    ("plan", "field", "sentence"),
    [
        (Plan(Kind.CRON, cron="0 0 31 2 *"), "cron", "It would never be due"),
        (Plan(Kind.CRON, cron="0 0 30 FEB *"), "cron", "It would never be due"),
        (Plan(Kind.CRON, cron="61 * * * *"), "cron", "The minute, 61, cannot be read: 0 to 59"),
        (Plan(Kind.CRON, cron="0 24 * * *"), "cron", "The hour, 24,"),
        (Plan(Kind.CRON, cron="0 0 * FOO *"), "cron", "The month, FOO,"),
        (Plan(Kind.CRON, cron="0 0 * * 8"), "cron", "The day of the week, 8,"),
        (Plan(Kind.CRON, cron="60 0 0 * * *"), "cron", "The second, 60,"),
        (Plan(Kind.CRON, cron="5-1 * * * *"), "cron", "The minute, 5-1,"),
        (Plan(Kind.CRON, cron="*/0 * * * *"), "cron", "The minute, */0,"),
        (Plan(Kind.CRON, cron="* * *"), "cron", "this one has 3 fields"),
        (Plan(Kind.CRON, cron=""), "cron", "this one has none"),
        (Plan(Kind.CRON, cron="@reboot"), "cron", "@reboot"),
        (Plan(Kind.CRON, cron="@often"), "cron", "@often is not known"),
        (Plan(Kind.CRON, cron="0," * 101 + "0 * * * *"), "cron", "at most 200 characters"),
        (Plan(Kind.CRON, cron="* * * * *", zone="Europe/Berln"), "zone", "Did you mean Europe/Berlin?"),
        (Plan(Kind.CRON, cron="* * * * *", zone=""), "zone", "is missing"),
        (Plan(Kind.CRON, cron="* * * * *", zone="../../etc/passwd"), "zone", "There is no time zone"),
        (Plan(Kind.INTERVAL, every=999_999), "every", "one second"),
        (Plan(Kind.INTERVAL), "every", "one second"),
        (Plan(Kind.ONCE), "at", "its moment"),
        (Plan(Kind.ONCE, at=datetime(2027, 1, 1)), "at", "with its offset"),
        (Plan("weekly"), "plan", "one of cron, interval, once"),
    ],
)
def test_a_plan_that_cannot_be_kept_is_refused_with_a_sentence_on_the_field_that_is_wrong(plan, field, sentence):
    with pytest.raises(Wrong, match=".") as refused:
        timing.parse(plan)
    assert refused.value.field == field
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30 7 * * 1-5", "Every weekday at 07:30"),
        ("30 7 * * MON-FRI", "Every weekday at 07:30"),
        ("0 30 7 * * *", "Every day at 07:30"),
        ("15 30 7 * * *", "Every day at 07:30:15"),
        ("@daily", "Every day at 00:00"),
        ("@weekly", "Every Sunday at 00:00"),
        ("0 9 * * MON,3,FRI", "Every Monday, Wednesday and Friday at 09:00"),
        ("0 9 1 * *", "On the 1st of every month at 09:00"),
        ("* * * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("@hourly", "Every hour"),
        ("1 * * * *", "Every hour, 1 minute past"),
        ("20 */6 * * *", "Every 6 hours, 20 minutes past"),
        ("0 0 21 6 *", "At 00:00 on June 21"),
        ("5 4 21 * 1", "At 04:05 on the 21st day of month and on Monday"),
        ("0 0 L * *", "At 00:00 on the last day of every month"),
    ],
)
def test_a_cron_expression_is_said_in_plain_words(text, words):
    assert timing.words(cron(text)) == words


def test_intervals_and_one_shots_are_said_in_plain_words_too():
    every = [1_000_000, 90_000_000, MINUTE, 5 * MINUTE, 60 * MINUTE, 1440 * MINUTE, 2 * 10_080 * MINUTE, 1_500_000]
    assert [timing.words(Plan(Kind.INTERVAL, every=one)) for one in every] == [
        "Every second",
        "Every 90 seconds",
        "Every minute",
        "Every 5 minutes",
        "Every hour",
        "Every day",
        "Every 2 weeks",
        "Every 1.5 seconds",
    ]
    assert timing.words(Plan(Kind.ONCE, at=NOON, zone="Europe/Berlin")) == "Once, on 27 Nov 2026 at 13:00"
    assert timing.words(Plan(Kind.OTHER)) == ""


def test_an_interval_counts_from_its_beginning_however_late_it_is_asked():
    plan = Plan(Kind.INTERVAL, every=7 * MINUTE, at=NOON)
    assert timing.next_after(plan, NOON) == NOON + timedelta(minutes=7)
    assert timing.next_after(plan, NOON - timedelta(days=1)) == NOON + timedelta(minutes=7)
    assert timing.next_after(plan, NOON + timedelta(minutes=7)) == NOON + timedelta(minutes=14)
    assert timing.between(plan, NOON, NOON + timedelta(minutes=15), 9) == [NOON + timedelta(minutes=m) for m in (7, 14)]
    assert len(timing.between(plan, NOON, NOON + timedelta(days=15), 9)) == 9


def test_a_one_shot_is_due_once_and_never_again():
    plan = Plan(Kind.ONCE, at=NOON)
    assert timing.next_after(plan, NOON - timedelta(seconds=1)) == NOON
    assert timing.next_after(plan, NOON) is None


def test_of_what_only_its_scheduler_can_work_out_nothing_is_made_up():
    assert timing.next_after(timing.parse(Plan(Kind.OTHER)), NOON) is None


def test_a_time_that_clocks_skip_or_show_twice_is_no_moment_until_somebody_says_which():
    assert zones.exact(datetime(2027, 3, 28, 3, 30), BERLIN) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match="02:30 on 28 Mar 2027 does not exist in Europe/Berlin"):
        zones.exact(datetime(2027, 3, 28, 2, 30), BERLIN)
    with pytest.raises(ValueError, match="02:30 on 31 Oct 2027 comes twice in Europe/Berlin"):
        zones.exact(datetime(2027, 10, 31, 2, 30), BERLIN)


def test_notices_tell_a_year_ahead_what_changed_clocks_do_to_a_plan():
    told = [f"{one.what} {one.then}" for one in timing.changes(cron("30 2 * * *", "Europe/Berlin"), NOON)]
    assert told == [
        "On 28 Mar 2027 clocks in Europe/Berlin go forward from 02:00 to 03:00: 02:30 does not exist. "
        "It is due once, at 03:00.",
        "On 31 Oct 2027 clocks in Europe/Berlin go back from 03:00 to 02:00: 02:30 comes twice. "
        "It is due the first time only.",
    ]
    quarters = timing.changes(cron("*/15 2 * * *", "Europe/Berlin"), NOON)
    assert [one.count for one in quarters] == [4, 4]
    assert "02:00, 02:15, 02:30 and 1 more do not exist" in quarters[0].what
    assert [one.then for one in quarters] == ["It is not due then.", "It is due both times."]


def test_who_is_not_touched_by_the_clocks_gets_no_notice():
    for plan in (
        cron("30 7 * * *", "Europe/Berlin"),
        cron("*/15 * * * *", "Europe/Berlin"),
        cron("30 2 * * *", "Asia/Tokyo"),
        cron("30 2 * * *"),
        Plan(Kind.INTERVAL, every=MINUTE, zone="Europe/Berlin"),
    ):
        assert timing.changes(plan, NOON) == []
    # Where they are changed by half an hour, one hour is not like another.
    assert len(timing.changes(cron("0 * * * *", "Australia/Lord_Howe"), NOON)) == 1


def test_what_is_fixed_is_due_once_on_the_day_of_a_change_and_what_follows_the_clocks_as_often_as_they_show_it():
    def times(text: str, day: datetime) -> list[str]:
        due = timing.between(cron(text, "Europe/Berlin"), day, day + timedelta(hours=5), 20)
        return [f"{one.astimezone(BERLIN):%H:%M}" for one in due]

    spring, autumn = datetime(2027, 3, 27, 23, 30, tzinfo=UTC), datetime(2027, 10, 30, 23, 30, tzinfo=UTC)
    assert times("30 2 * * *", spring) == ["03:00"]
    assert times("0,30 2 * * *", spring) == ["03:00"]  # both are due when the clocks jump: that is one time
    assert times("0 30 2 * * *", spring) == ["03:00"]
    assert times("30 2 * * *", autumn) == ["02:30"]
    assert times("*/30 2 * * *", spring) == []
    assert times("*/30 2 * * *", autumn) == ["02:00", "02:30", "02:00", "02:30"]
    # Asked in the hour that comes a second time, what was due in the first one is over.
    again = datetime(2027, 10, 31, 1, 10, tzinfo=UTC)
    assert timing.next_after(cron("30 2 * * *", "Europe/Berlin"), again) == datetime(2027, 11, 1, 1, 30, tzinfo=UTC)
