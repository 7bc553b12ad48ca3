"""What a page shows of issues: the tabs, a row, and what is said in words about one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from z4j_brain.issues import queries
from z4j_brain.issues.models import Issue
from z4j_brain.issues.queries import Trend
from z4j_brain.issues.states import IssueState
from z4j_brain.rbac.actor import Actor
from z4j_brain.stats import figures

#: The tabs of the list, by what stands in the address.
TABS: Final = {
    "open": pgettext_lazy("tab of issues", "Open"),
    "mine": pgettext_lazy("tab of issues", "Mine"),
    "snoozed": pgettext_lazy("tab of issues", "Snoozed"),
    "resolved": pgettext_lazy("tab of issues", "Resolved"),
}
#: How far back the last failure may lie, by what stands in the address.
RANGES: Final = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7), "all": None}
#: What a tab has, where it has none, and the way to all of it.
_NONE: Final = {
    "open": gettext_lazy("open issue"),
    "mine": gettext_lazy("issue of yours"),
    "snoozed": gettext_lazy("snoozed issue"),
    "resolved": gettext_lazy("resolved issue"),
}
_ALL: Final = {
    "open": gettext_lazy("Show all open ones"),
    "mine": gettext_lazy("Show all mine ones"),
    "snoozed": gettext_lazy("Show all snoozed ones"),
    "resolved": gettext_lazy("Show all resolved ones"),
}
#: Words are read up to here.
_MOST: Final = 200
#: Where an engine tells of a failure, and not of what.
_UNKNOWN: Final = gettext_lazy("No exception was told")


@dataclass(frozen=True, slots=True)
class Row:
    """One issue of the list. `fresh`: since the release that runs now."""

    issue: Issue
    trend: Trend
    fresh: bool

    @property
    def state(self) -> IssueState:
        return IssueState(self.issue.state)

    @property
    def title(self) -> str:
        return title(self.issue)

    @property
    def back(self) -> str:
        return back(self.issue)

    @property
    def spark(self) -> str:
        return figures.spark(self.trend.counts)


def title(issue: Issue) -> str:
    """The exception without its module."""
    return issue.error_type.rsplit(".", 1)[-1] or str(_UNKNOWN)


def back(issue: Issue) -> str:
    """That it is back after it was resolved; empty for any other."""
    if not issue.is_back:
        return ""
    if issue.resolved_code:
        return gettext("back, was resolved in %(code)s") % {"code": issue.resolved_code}
    return gettext("back, was resolved")


def rows(issues: Sequence[Issue], trends: Mapping[int, Trend], release: str) -> list[Row]:
    return [Row(one, trends[one.pk], bool(release) and one.first_code == release) for one in issues]


@dataclass(frozen=True, slots=True)
class View:
    """What the address asks for: a tab, how far back, and words that are in what can be seen of an issue."""

    tab: str = "open"
    since: str = "all"
    words: str = ""

    @classmethod
    def of(cls, query: QueryDict) -> View:
        """What cannot be read is as if it were not there."""
        tab, since = query.get("state", ""), query.get("since", "")
        words = query.get("q", "").replace("\0", "").strip()[:_MOST]
        return cls(tab if tab in TABS else "open", since if since in RANGES else "all", words)

    @property
    def is_narrowed(self) -> bool:
        return self.since != "all" or bool(self.words)

    @property
    def parameters(self) -> dict[str, str]:
        """As they stand in an address, the usual ones left out."""
        usual = View()
        told = {"state": (self.tab, usual.tab), "since": (self.since, usual.since), "q": (self.words, usual.words)}
        return {name: value for name, (value, default) in told.items() if value != default}

    def tabs(self, counts: Mapping[str, int]) -> Iterator[tuple[str, str, int, bool]]:
        for word, label in TABS.items():
            yield self._to(tab=word), str(label), counts.get(word, 0), word == self.tab

    @property
    def ranges(self) -> Iterator[tuple[str, str, bool]]:
        for word in RANGES:
            yield self._to(since=word), gettext("All") if word == "all" else word, word == self.since

    @property
    def widest(self) -> str:
        """The same tab, and nothing else left out."""
        return self._to(since="all", words="")

    @property
    def none(self) -> str:
        """That there is none, as an empty tab says it."""
        told = {"issue": _NONE[self.tab], "words": self.words, "since": self.since}
        if self.words and self.since != "all":
            return gettext("No %(issue)s with “%(words)s” has failed in the last %(since)s") % told
        if self.words:
            return gettext("No %(issue)s with “%(words)s”") % told
        return gettext("No %(issue)s has failed in the last %(since)s") % told

    @property
    def widen(self) -> str:
        """The way to all of the tab, as a button says it."""
        return str(_ALL[self.tab])

    def within(self, here: QuerySet[Issue], now: datetime) -> QuerySet[Issue]:
        """Of all tabs."""
        reach = RANGES[self.since]
        here = here if reach is None else here.filter(last_at__gte=now - reach)
        return queries.matching(here, self.words)

    def narrowed(self, here: QuerySet[Issue], actor: Actor) -> QuerySet[Issue]:
        """Of the tab that is open."""
        return here.filter(queries.owned(actor)) if self.tab == "mine" else here.filter(state=self.tab)

    def _to(self, **other: str) -> str:
        query = urlencode(replace(self, **other).parameters)
        return f"?{query}" if query else ""
