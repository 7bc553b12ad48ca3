"""What a page shows of issues: the tabs, a row, and what is said in words about one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from z4j_brain.issues import queries
from z4j_brain.issues.models import Issue
from z4j_brain.issues.queries import Trend
from z4j_brain.issues.states import IssueState
from z4j_brain.rbac.actor import Actor
from z4j_brain.stats import figures

#: The tabs of the list, by what stands in the address.
TABS: Final = {"open": "Open", "mine": "Mine", "snoozed": "Snoozed", "resolved": "Resolved"}
#: Where an engine tells of a failure, and not of what.
_UNKNOWN: Final = "No exception was told"


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
    return issue.error_type.rsplit(".", 1)[-1] or _UNKNOWN


def back(issue: Issue) -> str:
    """That it is back after it was resolved; empty for any other."""
    if not issue.is_back:
        return ""
    return f"back, was resolved in {issue.resolved_code}" if issue.resolved_code else "back, was resolved"


def rows(issues: Sequence[Issue], trends: Mapping[int, Trend], release: str) -> list[Row]:
    return [Row(one, trends[one.pk], bool(release) and one.first_code == release) for one in issues]


def tab(word: str) -> str:
    return word if word in TABS else "open"


def tabs(counts: Mapping[str, int]) -> Iterator[tuple[str, str, int]]:
    for word, label in TABS.items():
        yield word, label, counts.get(word, 0)


def narrowed(here: QuerySet[Issue], word: str, actor: Actor) -> QuerySet[Issue]:
    return here.filter(queries.owned(actor)) if word == "mine" else here.filter(state=word)
