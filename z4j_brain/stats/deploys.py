"""Versions of the users' own code: when workers of each first appeared, and whether more has failed since then.

What was there from the first is no deploy: a version counts where its engine ran another one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext, ngettext

from z4j_brain.lib import nouns
from z4j_brain.lib.words import percent
from z4j_brain.stats import queries, sentences
from z4j_brain.stats.filters import Asked
from z4j_brain.stats.models import Deploy
from z4j_brain.stats.spans import Span, limits, moment
from z4j_brain.stats.states import Grain
from z4j_brain.stats.totals import Totals

#: Deploys of one stretch of time that are told, the newest; and those of them that are asked for more failures.
MOST, ASKED = 12, 3
#: What failed since a deploy is compared for so long after it, and with at least so long before it.
AFTER, BEFORE = timedelta(days=1), timedelta(hours=1)
#: How many times as many have to fail, and by how many standard errors they have to differ, to be told.
TIMES, ERRORS = 2.0, 3.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A version of the code, and when the first worker of it started."""

    code: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Worse:
    """That clearly more fails since a deploy. `since`, `until`: what was counted; `before`: what the same was then."""

    deploy: Seen
    since: datetime
    until: datetime
    after: Totals
    before: Totals
    length: timedelta

    @property
    def what(self) -> str:
        """`Failure rate since v412 is 5.1 %, about four times as high as before`."""
        said = {"code": self.deploy.code, "rate": percent(self.after.failure_rate)}
        if not self.before.failed:
            return gettext("Failure rate since %(code)s is %(rate)s, and nothing failed before it") % said
        said["times"] = sentences.times((self.after.failure_rate or 0) / (self.before.failure_rate or 1))
        return gettext("Failure rate since %(code)s is %(rate)s, %(times)s what it was") % said

    @property
    def why(self) -> str:
        after, before = self.after, self.before
        hours = round(self.length / timedelta(hours=1))
        said = ngettext(
            "%(failed)s of the %(tasks)s that ended since %(time)s UTC failed; %(then)s of %(ended)s in the hour before"
            " it.",
            "%(failed)s of the %(tasks)s that ended since %(time)s UTC failed; %(then)s of %(ended)s in the %(hours)s"
            " hours before it.",
            hours,
        )
        counted = {"failed": f"{after.failed:,}", "then": f"{before.failed:,}", "ended": f"{before.ended:,}"}
        named = {"tasks": nouns.tasks(after.ended), "time": f"{self.since:%H:%M}", "hours": hours}
        return said % (counted | named)

    @property
    def limits(self) -> str:
        return limits(self.since, self.until)


def seen(environment_id: int, span: Span, engine: str | None = None) -> list[Seen]:
    """The deploys of a stretch of time, the newest at most, in their order. In one query."""
    here = Deploy.objects.filter(environment=environment_id)
    earlier = Deploy.objects.filter(environment=environment_id, engine=OuterRef("engine"), at__lt=OuterRef("at"))
    rows = here.filter(Exists(earlier), at__gte=span.since, at__lt=span.until)
    rows = rows.filter(engine=engine) if engine else rows
    first: dict[str, datetime] = {}
    for code, at in rows.order_by("-at").values_list("code", "at")[: 4 * MOST]:
        first[code] = at
    newest = sorted((Seen(code, at) for code, at in first.items()), key=lambda one: one.at)
    return newest[-MOST:]


def worse(environment_id: int, deploys: Sequence[Seen], asked: Asked, now: datetime) -> Worse | None:
    """The newest deploy after which clearly more fails than before it, where enough ended on both sides of it.

    The five minutes in which it came belong to neither side. Of one task name nothing is told: it is kept by the hour.
    """
    if asked.name is not None:
        return None
    late = [one for one in reversed(deploys) if now - one.at < AFTER][:ASKED]
    found = (_compared(environment_id, one, asked, now) for one in late)
    return next((one for one in found if one is not None and _is_clear(one.after, one.before)), None)


def _compared(environment_id: int, deploy: Seen, asked: Asked, now: datetime) -> Worse | None:
    grain = Grain.FIVE_MINUTES
    mixed = grain.floor(int(deploy.at.timestamp()))
    since, until = mixed + grain, grain.floor(int(now.timestamp())) + grain
    if since >= until:
        return None
    hours = -(-(until - since) // 3600)
    length = max(timedelta(hours=hours), BEFORE)
    before = mixed - int(length.total_seconds())
    after, then = (
        queries.whole(environment_id, Span(start, end, grain), engine=asked.engine, queue=asked.queue)
        for start, end in ((since, until), (before, mixed))
    )
    return Worse(deploy, moment(since), moment(until), after, then, length)


def _is_clear(after: Totals, before: Totals) -> bool:
    if min(after.ended, before.ended) < sentences.ENOUGH or after.failed < sentences.ENOUGH_FAILED:
        return False
    now, then = after.failed / after.ended, before.failed / before.ended
    both = (after.failed + before.failed) / (after.ended + before.ended)
    error = (both * (1 - both) * (1 / after.ended + 1 / before.ended)) ** 0.5
    return now >= TIMES * then and now - then > ERRORS * error
