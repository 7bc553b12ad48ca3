"""What the numbers say, in a sentence: only what is true of them, and nothing of what is too little to compare."""

from __future__ import annotations

from django.utils.translation import gettext, gettext_lazy

from z4j_brain.lib import nouns
from z4j_brain.lib.words import day, duration, percent
from z4j_brain.stats.spans import Span
from z4j_brain.stats.totals import Totals

#: Fewer ends than this say nothing about a rate; fewer failures say nothing about a rise.
ENOUGH, ENOUGH_FAILED = 20, 5
#: Times by which a rate or a duration has to differ to be worth a word.
APART = 1.5
_TIMES = {
    2: gettext_lazy("about twice"),
    3: gettext_lazy("about three times"),
    4: gettext_lazy("about four times"),
    5: gettext_lazy("about five times"),
    10: gettext_lazy("about ten times"),
}
_LAST = {
    "15m": (gettext_lazy("in the last 15 minutes"), gettext_lazy("the 15 minutes before")),
    "1h": (gettext_lazy("in the last hour"), gettext_lazy("the hour before")),
    "6h": (gettext_lazy("in the last 6 hours"), gettext_lazy("the 6 hours before")),
    "24h": (gettext_lazy("in the last 24 hours"), gettext_lazy("the day before")),
    "7d": (gettext_lazy("in the last 7 days"), gettext_lazy("the week before")),
    "30d": (gettext_lazy("in the last 30 days"), gettext_lazy("the 30 days before")),
    "90d": (gettext_lazy("in the last 90 days"), gettext_lazy("the 90 days before")),
}
_WAITS = gettext_lazy("One task in twenty waits %(now)s or longer; it was %(then)s %(earlier)s.")
_RUNS = gettext_lazy("One task in twenty runs %(now)s or longer; it was %(then)s %(earlier)s.")


def lately(span: Span) -> str:
    """`in the last hour`; `between 14:00 and 16:00 UTC on 26 Nov` for bounds of one's own."""
    if span.name in _LAST:
        return str(_LAST[span.name][0])
    start, end = span.since, span.until
    told = {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}", "day": day(end), "first": day(start)}
    if start.date() == end.date():
        return gettext("between %(start)s and %(end)s UTC on %(day)s") % told
    return gettext("between %(first)s %(start)s and %(day)s %(end)s UTC") % told


def earlier(span: Span) -> str:
    return str(_LAST[span.name][1]) if span.name in _LAST else gettext("as long a time before")


def verdict(now: Totals, before: Totals, span: Span) -> str:
    """The first thing to know of a stretch of time."""
    told = {"lately": lately(span), "earlier": earlier(span), "tasks": nouns.tasks(now.ended)}
    if not now.ended and now.arrived:
        return gettext("No task ended %(lately)s, %(tasks)s arrived.") % (told | {"tasks": nouns.tasks(now.arrived)})
    if not now.ended:
        return gettext("No task ended %(lately)s.") % told
    if not now.failed:
        return gettext("None of the %(tasks)s that ended %(lately)s failed.") % told
    said = gettext("Failure rate is %(rate)s: %(failed)s of the %(tasks)s that ended %(lately)s") % (
        told | {"rate": percent(now.failure_rate), "failed": f"{now.failed:,}"}
    )
    return f"{said}{_compared(now, before, told['earlier'])}."


def slower(now: Totals, before: Totals, span: Span) -> str:
    """That tasks wait, or run, for longer than they did; empty when they do not."""
    said = []
    for sentence, measure in ((_WAITS, "wait_ms"), (_RUNS, "runtime_ms")):
        today, then = getattr(now, measure).p95, getattr(before, measure).p95
        if today and then and today > 2 * then and today >= 1000 and min(now.ended, before.ended) >= ENOUGH:
            said.append(sentence % {"now": duration(today), "then": duration(then), "earlier": earlier(span)})
    return " ".join(said)


def _compared(now: Totals, before: Totals, earlier: str) -> str:
    """`, four times that of the day before`."""
    if min(now.ended, before.ended) < ENOUGH or now.failed < ENOUGH_FAILED:
        return ""
    told = {"earlier": earlier, "ended": f"{before.ended:,}", "rate": percent(before.failure_rate)}
    if not before.failed:
        return gettext(", none of the %(ended)s of %(earlier)s") % told
    ratio = (now.failure_rate or 0) / (before.failure_rate or 1)
    if ratio >= APART:
        return gettext(", %(times)s that of %(earlier)s") % (told | {"times": times(ratio)})
    if ratio <= 1 / APART:
        return gettext(", down from %(rate)s %(earlier)s") % told
    return gettext(", much as %(earlier)s") % told


def times(ratio: float) -> str:
    """`half as much again as`, `about four times`, `more than ten times`: in words, and never more than is true."""
    if ratio > 10.5:
        return gettext("more than ten times")
    if ratio < 1.75:
        return gettext("half as much again as")
    whole = round(ratio)
    return str(_TIMES[whole]) if whole in _TIMES else gettext("about %(n)s times") % {"n": whole}
