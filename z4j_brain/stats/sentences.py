"""What the numbers say, in a sentence: only what is true of them, and nothing of what is too little to compare."""

from __future__ import annotations

from z4j_brain.lib import nouns
from z4j_brain.lib.words import duration, percent
from z4j_brain.stats.spans import Span
from z4j_brain.stats.totals import Totals

#: Fewer ends than this say nothing about a rate; fewer failures say nothing about a rise.
ENOUGH, ENOUGH_FAILED = 20, 5
#: Times by which a rate or a duration has to differ to be worth a word.
APART = 1.5
_TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times", 10: "ten times"}
_LAST = {
    "15m": ("in the last 15 minutes", "the 15 minutes before"),
    "1h": ("in the last hour", "the hour before"),
    "6h": ("in the last 6 hours", "the 6 hours before"),
    "24h": ("in the last 24 hours", "the day before"),
    "7d": ("in the last 7 days", "the week before"),
    "30d": ("in the last 30 days", "the 30 days before"),
    "90d": ("in the last 90 days", "the 90 days before"),
}


def lately(span: Span) -> str:
    """`in the last hour`; `between 14:00 and 16:00 UTC on 26 Nov` for bounds of one's own."""
    if span.name in _LAST:
        return _LAST[span.name][0]
    start, end = span.since, span.until
    if start.date() == end.date():
        return f"between {start:%H:%M} and {end:%H:%M} UTC on {end.day} {end:%b}"
    return f"between {start.day} {start:%b} {start:%H:%M} and {end.day} {end:%b} {end:%H:%M} UTC"


def earlier(span: Span) -> str:
    return _LAST.get(span.name, ("", "as long a time before"))[1]


def verdict(now: Totals, before: Totals, span: Span) -> str:
    """The first thing to know of a stretch of time."""
    if not now.ended:
        came = f", {nouns.tasks(now.arrived)} arrived" if now.arrived else ""
        return f"No task ended {lately(span)}{came}."
    if not now.failed:
        return f"None of the {nouns.tasks(now.ended)} that ended {lately(span)} failed."
    said = f"Failure rate is {percent(now.failure_rate)}: {now.failed:,} of the {nouns.tasks(now.ended)}"
    return f"{said} that ended {lately(span)}{_compared(now, before, earlier(span))}."


def slower(now: Totals, before: Totals, span: Span) -> str:
    """That tasks wait, or run, for longer than they did; empty when they do not."""
    said = []
    for word, measure in (("wait", "wait_ms"), ("run", "runtime_ms")):
        today, then = getattr(now, measure).p95, getattr(before, measure).p95
        if today and then and today > 2 * then and today >= 1000 and min(now.ended, before.ended) >= ENOUGH:
            said.append(
                f"One task in twenty {word}s {duration(today)} or longer; it was {duration(then)} {earlier(span)}."
            )
    return " ".join(said)


def _compared(now: Totals, before: Totals, earlier: str) -> str:
    """`, four times that of the day before`."""
    if min(now.ended, before.ended) < ENOUGH or now.failed < ENOUGH_FAILED:
        return ""
    if not before.failed:
        return f", none of the {before.ended:,} of {earlier}"
    ratio = (now.failure_rate or 0) / (before.failure_rate or 1)
    if ratio >= APART:
        return f", {times(ratio)} that of {earlier}"
    if ratio <= 1 / APART:
        return f", down from {percent(before.failure_rate)} {earlier}"
    return f", much as {earlier}"


def times(ratio: float) -> str:
    """`half as much again as`, `about four times`, `more than ten times`: in words, and never more than is true."""
    if ratio > 10.5:
        return "more than ten times"
    whole = round(ratio)
    return f"about {_TIMES.get(whole, f'{whole} times')}" if ratio >= 1.75 else "half as much again as"
