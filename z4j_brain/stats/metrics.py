"""The strip of numbers at the head of a page: each with its unit, what it was before, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from z4j_brain.lib.words import duration, percent, rate
from z4j_brain.stats import figures, sentences
from z4j_brain.stats.queries import Point, Series
from z4j_brain.stats.totals import Totals

#: A change below this is none.
SAME = 0.01


@dataclass(frozen=True, slots=True)
class Metric:
    """`delta`: in words, compared with the time before. `worse`: worth a look. `spark`: a path, see `figures`.

    `parts`: what its number is made of, each with the state that lists it and the word for that.
    """

    title: str
    value: str
    unit: str
    delta: str = ""
    worse: bool = False
    spark: str = ""
    hue: str = ""
    parts: tuple[tuple[str, str, int], ...] = ()


def strip(series: Series, before: Totals, now: datetime) -> list[Metric]:
    """Of a stretch of time and of the one before it."""
    points = figures.fewer(series.points)
    total, minutes = series.total, series.span.minutes(now)
    return [
        _throughput(total, before, minutes, series.span.before.minutes(now), figures.spark(_ended(points))),
        _failures(total, before, figures.spark([point.totals.failure_rate for point in points])),
        _percentile(gettext("Run time, p95"), total, before, "runtime_ms", points),
        _percentile(gettext("Wait, p95"), total, before, "wait_ms", points),
    ]


def _ended(points: tuple[Point, ...]) -> list[float | None]:
    return [point.totals.ended for point in points]


def _throughput(total: Totals, before: Totals, minutes: float, length: float, spark: str) -> Metric:
    value, _, unit = rate(total.ended, minutes).partition(" ")
    delta = ""
    if before.ended and total.ended:
        change = (total.ended / minutes) / (before.ended / length) - 1
        delta = gettext("much as before") if abs(change) < SAME else _change(change)
    return Metric(gettext("Throughput"), value, unit, delta or _none_before(before), spark=spark)


def _change(change: float) -> str:
    if change >= 1:
        many = gettext("%(times)s as many") % {"times": sentences.times(change + 1)}
        return many if change < 9.5 else gettext("more than ten times as many")
    told = gettext("%(share)s more") if change > 0 else gettext("%(share)s fewer")
    return told % {"share": f"{abs(change) * 100:.0f} %"}


def _none_before(before: Totals) -> str:
    return "" if before.ended else gettext("none before")


def _was(before: str) -> str:
    return gettext("was %(value)s") % {"value": before} if before else gettext("none before")


def _failures(total: Totals, before: Totals, spark: str) -> Metric:
    share, then = total.failure_rate, before.failure_rate
    if share is None:
        return Metric(gettext("Failed"), gettext("none"), "", gettext("no task ended"))
    value, _, unit = percent(share).partition(" ")
    worse = then is not None and share > sentences.APART * then and total.failed >= sentences.ENOUGH_FAILED
    said = _was(percent(then))
    return Metric(gettext("Failed"), value, unit, said, worse, spark, "failed", tuple(total.failures))


def _percentile(title: str, total: Totals, before: Totals, measure: str, points: tuple[Point, ...]) -> Metric:
    value, then = getattr(total, measure).p95, getattr(before, measure).p95
    if value is None:
        return Metric(title, gettext("none"), "", gettext("nothing measured"))
    number, _, unit = duration(value).partition(" ")
    worse = then is not None and value > sentences.APART * then and value >= 1000
    spark = figures.spark([getattr(point.totals, measure).p95 for point in points])
    return Metric(title, number, unit, _was(duration(then)), worse, spark)
