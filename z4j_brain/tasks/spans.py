"""Stretches of time that a list of tasks is about.

A relative one means: ended since then, or not ended yet. It begins where the statistics of that range begin, so that
list, counts and statistics agree to the task. One with limits of its own (`after`, `before`): ended in between; the
relative one beside them says from where somebody looked closer, and leads back there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.stats import spans as stats

RANGES = {
    "15m": (timedelta(minutes=15), gettext_lazy("the last 15 minutes")),
    "1h": (timedelta(hours=1), gettext_lazy("the last hour")),
    "6h": (timedelta(hours=6), gettext_lazy("the last 6 hours")),
    "24h": (timedelta(hours=24), gettext_lazy("the last 24 hours")),
    "7d": (timedelta(days=7), gettext_lazy("the last 7 days")),
    "all": (None, gettext_lazy("all that is kept")),
}
USUAL = "24h"
STEP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Ended at `start` or later and before `end`; with `live`, those too that have not ended. None: without a limit."""

    start: datetime | None = None
    end: datetime | None = None
    live: bool = True

    @property
    def condition(self) -> Q:
        if self.live:
            return Q(finished_at__gte=self.start) | Q(finished_at__isnull=True) if self.start else Q()
        limits = {"finished_at__gte": self.start, "finished_at__lt": self.end, "finished_at__isnull": False}
        return Q(**{name: limit for name, limit in limits.items() if limit is not None})

    @property
    def is_stepped(self) -> bool:
        """Does it begin and end where rollups do?"""
        return (
            self.start is not None and self.start == floor(self.start) and (not self.end or self.end == floor(self.end))
        )


@dataclass(frozen=True, slots=True)
class Span:
    """As an address says it."""

    since: str = USUAL
    after: datetime | None = None
    before: datetime | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Span:
        """What cannot be read is as if it were not there."""
        after, before, since = moment(query.get("after", "")), moment(query.get("before", "")), query.get("since", "")
        return cls(since if since in RANGES else USUAL, after, before)

    @property
    def is_custom(self) -> bool:
        return self.after is not None or self.before is not None

    def bounds(self) -> Bounds:
        """As from now."""
        if self.is_custom:
            return Bounds(self.after, self.before, live=False)
        reach, _ = RANGES[self.since]
        return Bounds(stats.Span.recent(self.since, timezone.now()).since if reach else None)

    @property
    def words(self) -> str:
        if not self.is_custom:
            return str(RANGES[self.since][1])
        told = {word: f"{limit:%Y-%m-%d %H:%M}" for word, limit in self._limits if limit}
        if len(told) > 1:
            return gettext("what ended after %(after)s and before %(before)s") % told
        if "after" in told:
            return gettext("what ended after %(after)s") % told
        return gettext("what ended before %(before)s") % told

    @property
    def wider(self) -> Span | None:
        names = list(RANGES)
        at = 0 if self.is_custom else names.index(self.since) + 1
        if self.is_custom:
            return Span("all")
        return Span(names[at]) if at < len(names) else None

    @property
    def limits(self) -> dict[str, str]:
        """Its own, where it has some."""
        return {word: limit.isoformat().replace("+00:00", "Z") for word, limit in self._limits if limit}

    @property
    def parameters(self) -> dict[str, str]:
        return ({} if self.since == USUAL else {"since": self.since}) | self.limits

    @property
    def named(self) -> dict[str, str]:
        """What it is about, in full: the usual range is named too, and limits stand alone."""
        return self.limits or {"since": self.since}

    @property
    def _limits(self) -> tuple[tuple[str, datetime | None], ...]:
        return ("after", self.after), ("before", self.before)


def floor(moment: datetime) -> datetime:
    """The full five minutes at or before it."""
    return moment - timedelta(seconds=moment.timestamp() % STEP.total_seconds())


def moment(text: str) -> datetime | None:
    """A time as RFC 3339 writes it; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
