"""When somebody is at work, so that what rules find is kept and not told: whether now, until when, and when next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from z4j_brain.alerts.models import Rule, Window
from z4j_brain.lib import timing
from z4j_brain.lib.timing import Kind, Plan
from z4j_brain.lib.words import number

#: How long one lasts at most that comes once, and, in minutes, one that comes again and again.
LONGEST_ONCE, LONGEST_OFTEN = timedelta(days=30), 1_440
#: Begins of one window that are looked at for its end: one may begin again before it is over.
BEGINS = 2_000


def check(window: Window, now: datetime) -> None:
    """Raises ValidationError by field for what is neither once nor again and again, or both, or over already."""
    if (window.starts_at or window.ends_at) and (window.cron or window.minutes):
        raise ValidationError(
            {"cron": gettext("Once, from a time to a time, or again and again by a cron expression.")}
        )
    if window.cron:
        try:
            timing.parse(plan(window))
        except timing.Wrong as error:
            raise ValidationError({error.field: str(error)}) from None
        if window.minutes is None or not 1 <= window.minutes <= LONGEST_OFTEN:
            text = gettext("From 1 to %(most)s: a day at most.") % {"most": number(LONGEST_OFTEN)}
            raise ValidationError({"minutes": text})
        return
    if window.starts_at is None:
        raise ValidationError({"starts_at": gettext("Say when it begins, or by which cron expression.")})
    if window.ends_at is None or not max(window.starts_at, now) < window.ends_at <= window.starts_at + LONGEST_ONCE:
        text = gettext("A time to come, %(days)s days after its beginning at most.") % {"days": LONGEST_ONCE.days}
        raise ValidationError({"ends_at": text})


def covers(rule: Rule, now: datetime) -> bool:
    """Is somebody at work there now, where this rule looks?"""
    windows = Window.objects.filter(environment=rule.environment_id).prefetch_related("rules")
    return any(is_about(window, rule) and until(window, now) is not None for window in windows)


def is_about(window: Window, rule: Rule) -> bool:
    return window.all_rules or rule in window.rules.all()


def going_on(windows: Iterable[Window], now: datetime) -> list[tuple[Window, datetime]]:
    """Those that go on, each with its end."""
    ends = ((window, until(window, now)) for window in windows)
    return [(window, end) for window, end in ends if end is not None]


def until(window: Window, now: datetime) -> datetime | None:
    """When it ends, if it goes on."""
    if window.starts_at is not None and window.ends_at is not None:
        return window.ends_at if window.starts_at <= now < window.ends_at else None
    lasts = timedelta(minutes=window.minutes or 0)
    begins = timing.between(plan(window), now - lasts, now, BEGINS)
    return begins[-1] + lasts if begins else None


def begins_next(window: Window, now: datetime) -> datetime | None:
    """None: never again."""
    if window.starts_at is not None:
        return window.starts_at if window.starts_at > now else None
    return timing.next_after(plan(window), now)


def plan(window: Window) -> Plan:
    return Plan(Kind.CRON, cron=window.cron, zone=window.zone)


def words(window: Window) -> str:
    """When, in plain language, where it is again and again."""
    return timing.words(plan(window)) if window.cron else ""
