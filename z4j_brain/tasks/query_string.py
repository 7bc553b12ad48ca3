"""What the address of the tasks list says: words and qualifiers of the search box, time range, and place in the list.

`?q=queue:emails SMTP&state=failed&since=1h&cursor=...`: a qualifier may stand in the box or as a parameter of its own.
`after` and `before` instead of `since` say what ended in between, as links from charts do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext

from z4j_brain.lib.words import uncapped
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import box
from z4j_brain.tasks.box import Box
from z4j_brain.tasks.narrowing import Narrowing
from z4j_brain.tasks.spans import RANGES, Span
from z4j_brain.tasks.states import TaskState

#: What a search box takes.
LONGEST = 512


@dataclass(frozen=True, slots=True)
class View:
    """One reading of the list. Every link of the page is a changed copy of it. `notes`: what was not understood."""

    text: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict)
    span: Span = Span()
    cursor: str = ""
    notes: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def from_query(cls, query: QueryDict) -> View:
        return cls.of({key: str(query[key]) for key in query})

    @classmethod
    def of_address(cls, address: str) -> View:
        return cls.from_query(QueryDict(address))

    @classmethod
    def of(cls, query: Mapping[str, str]) -> View:
        typed = Box.read(query.get("q", "").replace("\0", "")[:LONGEST])
        beside = {key: str(query[key]).replace("\0", "") for key in box.COLUMNS if query.get(key)}
        found = box.understood(beside | dict(typed.qualifiers))
        notes = typed.notes
        if (state := found.get("state")) and not box.state_of(state):
            notes = tuple(dict.fromkeys((*notes, box.unknown_state(state))))
        return cls(typed.text, found, Span.of(query), query.get("cursor", ""), notes)

    def narrowing(self, environment: Environment) -> Narrowing:
        """The tasks that this view is about."""
        return Narrowing(box.columns(environment, self.qualifiers), bounds=self.span.bounds(), search=self.text)

    @property
    def state(self) -> TaskState | None:
        return box.state_of(self.qualifiers.get("state", ""))

    @property
    def since(self) -> str:
        return "" if self.span.is_custom else self.span.since

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.qualifiers)

    @property
    def parameters(self) -> dict[str, str]:
        """All that says which tasks, but not the place in the list."""
        parts = {"q": self.text, **self.qualifiers}
        return {key: value for key, value in parts.items() if value} | self.span.parameters

    @property
    def filter(self) -> dict[str, str]:
        """The same tasks, as the API's list is asked for them."""
        words = [f'{key}:"{value}"' for key, value in self.qualifiers.items() if key != "state"]
        typed = " ".join([*words, self.text]).strip()
        chosen = {"search": typed, "state": self.qualifiers.get("state", "")}
        return {key: value for key, value in chosen.items() if value} | self.span.named

    @property
    def every_query(self) -> str:
        """An address of all these tasks that names its time range, also the usual one."""
        return urlencode(self.parameters | self.span.named)

    @property
    def query(self) -> str:
        return urlencode(self.parameters)

    @property
    def kept(self) -> str:
        """As it is kept under a name: one query for each reading, without the place in the list."""
        return replace(self, cursor="").address.removeprefix("?")

    @property
    def address(self) -> str:
        """Never empty: without any parameter it is the person's own first view."""
        return "?" + urlencode((self.parameters | ({"cursor": self.cursor} if self.cursor else {})) or self.span.named)

    @property
    def tokens(self) -> Iterator[tuple[str, str, str]]:
        """Each qualifier but the state, which the chips show, with the address of the view without it."""
        for key, value in self.qualifiers.items():
            if key != "state":
                yield key, value, self.without(key).address

    @property
    def ranges(self) -> Iterator[tuple[str, str, bool]]:
        for name in RANGES:
            yield name, replace(self, span=Span(name), cursor="").address, name == self.since

    @property
    def back(self) -> tuple[str, str] | None:
        """From a closer look to the range it was taken in, as its name and address."""
        if not self.span.is_custom:
            return None
        return self.span.since, replace(self, span=Span(self.span.since), cursor="").address

    @property
    def unfiltered(self) -> str:
        return View().address

    @property
    def any_state(self) -> str:
        return self.with_state(None).address

    @property
    def wider(self) -> tuple[str, str] | None:
        """The next longer time range, as words and address."""
        wider = self.span.wider
        return (wider.words, replace(self, span=wider, cursor="").address) if wider else None

    def without(self, key: str) -> View:
        rest = {name: value for name, value in self.qualifiers.items() if name != key}
        return replace(self, qualifiers=rest, cursor="")

    def with_state(self, state: TaskState | None) -> View:
        view = self.without("state")
        return replace(view, qualifiers={**view.qualifiers, "state": state.value}) if state else view

    def at(self, cursor: str) -> View:
        return replace(self, cursor=cursor)

    @property
    def title(self) -> str:
        """The view as the title of its page: "Failed tasks in emails, 1 h"."""
        words, since = str(self), self.since
        time = f"{since[:-1]} {since[-1]}" if since[:-1].isdigit() else gettext("all that is kept")
        return f"{words[:1].upper()}{words[1:120]}, {gettext('own time') if self.span.is_custom else time}"

    def __str__(self) -> str:
        """The view in words, as an empty list says it: "failed tasks in emails"."""
        words = gettext("tasks")
        if self.state:
            words = gettext("%(state)s tasks") % {"state": uncapped(self.state.label)}
        for key, value in self.qualifiers.items():
            words = _narrowed(words, key, value)
        return gettext("%(tasks)s that match “%(text)s”") % {"tasks": words, "text": self.text} if self.text else words


def _narrowed(words: str, key: str, value: str) -> str:
    told = {"tasks": words, "key": key, "value": value}
    match key:
        case "state":
            return words
        case "queue":
            return gettext("%(tasks)s in %(value)s") % told
        case "worker":
            return gettext("%(tasks)s on %(value)s") % told
    return gettext("%(tasks)s with %(key)s %(value)s") % told
