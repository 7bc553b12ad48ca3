"""What the address of the tasks list says: words and qualifiers of the search box, time range, and place in the list.

`?q=queue:emails SMTP&state=failed&since=1h&cursor=...`: a qualifier may stand in the box or as a parameter of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import queries
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TaskState

#: Qualifiers by the filter they stand for, in the order in which they are shown.
FILTERS = {
    "state": "state",
    "name": "name",
    "queue": "queue",
    "worker": "worker",
    "engine": "engine",
    "error": "error_type__icontains",
}
RANGES = {
    "15m": (timedelta(minutes=15), "the last 15 minutes"),
    "1h": (timedelta(hours=1), "the last hour"),
    "6h": (timedelta(hours=6), "the last 6 hours"),
    "24h": (timedelta(hours=24), "the last 24 hours"),
    "7d": (timedelta(days=7), "the last 7 days"),
    "all": (None, "all that is kept"),
}
USUAL = "24h"

_QUALIFIER = re.compile(rf'(?<!\S)({"|".join(FILTERS)}):("[^"]*"|\S+)')
_STATES = {state.value: state for state in TaskState} | {state.label.lower(): state for state in TaskState}


@dataclass(frozen=True, slots=True)
class View:
    """One reading of the list. Every link of the page is a changed copy of it."""

    text: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict)
    since: str = USUAL
    cursor: str = ""

    @classmethod
    def from_query(cls, query: QueryDict) -> View:
        text = query.get("q", "")
        found = {key: str(query[key]) for key in FILTERS if query.get(key)}
        found |= {key: value.strip('"') for key, value in _QUALIFIER.findall(text)}
        if state := _STATES.get(found.get("state", "").lower().replace("_", " ")):
            found["state"] = state.value
        since = query.get("since", "")
        return cls(
            " ".join(_QUALIFIER.sub("", text).split()),
            {key: found[key] for key in FILTERS if key in found},
            since if since in RANGES else USUAL,
            query.get("cursor", ""),
        )

    def narrow(self, tasks: QuerySet[Task], environment: Environment) -> QuerySet[Task]:
        """The tasks that this view is about."""
        tasks = tasks.filter(**{FILTERS[key]: value for key, value in self.qualifiers.items()})
        reach, _ = RANGES[self.since]
        if reach is not None:
            tasks = tasks.filter(last_at__gte=timezone.now() - reach)
        return queries.search(tasks, environment, self.text) if self.text else tasks

    @property
    def state(self) -> TaskState | None:
        return _STATES.get(self.qualifiers.get("state", ""))

    @property
    def span(self) -> str:
        return RANGES[self.since][1]

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.qualifiers)

    @property
    def address(self) -> str:
        parts = {"q": self.text, **self.qualifiers, "cursor": self.cursor}
        kept = {key: value for key, value in parts.items() if value}
        if self.since != USUAL:
            kept["since"] = self.since
        return "?" + urlencode(kept)

    @property
    def tokens(self) -> Iterator[tuple[str, str, str]]:
        """Each qualifier but the state, which the chips show, with the address of the view without it."""
        for key, value in self.qualifiers.items():
            if key != "state":
                yield key, value, self.without(key).address

    @property
    def ranges(self) -> Iterator[tuple[str, str, bool]]:
        for name in RANGES:
            yield name, replace(self, since=name, cursor="").address, name == self.since

    @property
    def any_state(self) -> str:
        return self.with_state(None).address

    @property
    def wider(self) -> tuple[str, str] | None:
        """The next longer time range, as words and address."""
        names = list(RANGES)
        at = names.index(self.since) + 1
        return (RANGES[names[at]][1], replace(self, since=names[at], cursor="").address) if at < len(names) else None

    def without(self, key: str) -> View:
        rest = {name: value for name, value in self.qualifiers.items() if name != key}
        return replace(self, qualifiers=rest, cursor="")

    def with_state(self, state: TaskState | None) -> View:
        view = self.without("state")
        return replace(view, qualifiers={**view.qualifiers, "state": state.value}) if state else view

    def at(self, cursor: str) -> View:
        return replace(self, cursor=cursor)

    def __str__(self) -> str:
        """The view in words, as an empty list says it: "failed tasks in emails"."""
        words = f"{self.state.label.lower()} tasks" if self.state else "tasks"
        for key, value in self.qualifiers.items():
            words += {"state": "", "queue": f" in {value}", "worker": f" on {value}"}.get(key, f" with {key} {value}")
        return f"{words} that match “{self.text}”" if self.text else words
