"""What a page of statistics is about, as its address says it, and what it tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone

from z4j_brain.lib.problem import Problem
from z4j_brain.rbac.models import Environment
from z4j_brain.stats import deploys, figures, metrics, queries, sentences
from z4j_brain.stats.filters import Asked, read
from z4j_brain.stats.spans import LISTED, RANGES, USUAL, Span

#: What the address of a page says, and what the API calls it.
NAMES = {"since": "range", "after": "start", "before": "end", "engine": "engine", "queue": "queue", "name": "name"}
ABOUT = ("engine", "queue", "name")
#: Orders of the tables.
ORDERS = ("ended", "failed", "p95", "share")


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a page. Every link of it is a changed copy. `fault`: what could not be understood."""

    asked: Asked
    order: str = "ended"
    fault: str = ""

    @classmethod
    def of(cls, query: QueryDict) -> View:
        now, order = timezone.now(), query.get("order", "")
        given = QueryDict(urlencode({NAMES[name]: query[name] for name in NAMES if query.get(name)}))
        order = order if order in ORDERS else "ended"
        try:
            return cls(read(given, now), order)
        except Problem as problem:
            return cls(Asked(Span.recent(USUAL, now)), order, " ".join(fault["detail"] for fault in problem.errors))

    @property
    def span(self) -> Span:
        return self.asked.span

    @property
    def time(self) -> dict[str, str]:
        """The stretch of time as an address says it."""
        if self.span.name:
            return {} if self.span.name == USUAL else {"since": self.span.name}
        return {"after": f"{self.span.since:%Y-%m-%dT%H:%MZ}", "before": f"{self.span.until:%Y-%m-%dT%H:%MZ}"}

    @property
    def about(self) -> dict[str, str]:
        return {name: value for name in ABOUT if (value := getattr(self.asked, name))}

    @property
    def tokens(self) -> Iterator[tuple[str, str, str]]:
        """Each filter, with the address without it."""
        for key, value in self.about.items():
            yield key, value, self._address(about={name: text for name, text in self.about.items() if name != key})

    @property
    def ranges(self) -> Iterator[tuple[str, str, bool]]:
        for name in RANGES:
            yield name, self._address(time={} if name == USUAL else {"since": name}), name == self.span.name

    @property
    def orders(self) -> dict[str, str]:
        return {order: replace(self, order=order).address for order in ORDERS}

    @property
    def address(self) -> str:
        return self._address()

    @property
    def zoom(self) -> str:
        """To which a script adds `after` and `before`."""
        return self._address(time={})

    def only(self, **about: str) -> str:
        """The address of the same for these tasks alone."""
        return self._address(about=about)

    @property
    def everything(self) -> str:
        return self._address(about={})

    @property
    def list_query(self) -> str:
        """The tasks it is about, for an address of their list that goes on with `after` and `before`."""
        return urlencode(self.about) + "&" * bool(self.about)

    @property
    def listed(self) -> str:
        """The same tasks and the same stretch of time for the address of their list: relative where it knows that."""
        relative = {"since": self.span.name} if self.span.name in LISTED else {}
        about = urlencode(self.about | relative)
        return "&".join(part for part in (about, "" if relative else self.span.limits, "") if part) + "&"

    @property
    def words(self) -> str:
        return sentences.lately(self.span)

    def _address(self, *, time: dict[str, str] | None = None, about: dict[str, str] | None = None) -> str:
        order = {} if self.order == "ended" else {"order": self.order}
        parts = (self.time if time is None else time) | (self.about if about is None else about) | order
        return "?" + urlencode(parts)


def told(place: Environment, asked: Asked) -> dict[str, Any]:
    """What a page tells of a stretch of time: the sentence, the strip of numbers, and the figures."""
    now, span = timezone.now(), asked.span
    series = queries.series(place.pk, span, **asked.tasks)
    before = queries.whole(place.pk, span.before, **asked.tasks)
    seen = deploys.seen(place.pk, span, asked.engine)
    bars = figures.bars(series, seen)
    series = queries.Series(span, bars.points)  # what the bars have joined need not be joined again
    return {
        "series": series,
        "verdict": sentences.verdict(series.total, before, span),
        "slower": sentences.slower(series.total, before, span),
        "metrics": metrics.strip(series, before, now),
        "bars": bars,
        "runtimes": figures.lines(bars.points, "runtime_ms", seen),
        "waits": figures.lines(bars.points, "wait_ms", seen),
        "deploys": list(reversed(seen)),
        "worse": deploys.worse(place.pk, seen, asked, now),
        "earlier": sentences.earlier(span),
    }
