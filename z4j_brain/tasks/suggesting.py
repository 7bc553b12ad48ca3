"""What the search box of the list suggests for the word at the cursor: qualifiers and values, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext, gettext_lazy

from z4j_brain.fleet import queries as fleet
from z4j_brain.lib.words import number, uncapped
from z4j_brain.rbac.access import Held
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import values
from z4j_brain.tasks.states import TaskState

#: Qualifiers with what they are about.
MEANINGS = {
    "state": gettext_lazy("how it is: failed, running, queued"),
    "name": gettext_lazy("the task’s name; shop.* for all that begin so"),
    "queue": gettext_lazy("the queue it was put into"),
    "worker": gettext_lazy("who took it last"),
    "engine": gettext_lazy("the library that runs it"),
    "error": gettext_lazy("the type of the error it ended with"),
    "issue": gettext_lazy("the issue that it is part of"),
    "parent": gettext_lazy("the task that made it, by its id"),
    "group": gettext_lazy("the group it was sent with, by its id"),
}
#: Suggestions at once, and of each kind where the word may be of several.
MOST, EACH = 10, 4
#: Rows of the fleet that are looked at.
LOOKED = 200
#: Shorter words may mean anything.
SHORT = 2


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` takes the place of the word. One that ends in a colon wants a value next."""

    text: str
    hint: str = ""
    state: str = ""

    @property
    def label(self) -> str:
        return self.text.partition(":")[2].strip('"') or self.text


def suggestions(actor: Actor, environment: Environment, held: Held, word: str) -> list[Suggestion]:
    key, colon, begun = word.lower().partition(":")
    if colon:
        found = _values(actor, environment, held, key, begun.strip('"'))
        return found[:MOST]
    keys = [Suggestion(f"{name}:", str(hint)) for name, hint in MEANINGS.items() if name.startswith(key)]
    if len(key) < SHORT:
        return keys[:MOST]
    kinds = {"name": "task", "queue": "queue", "state": "state", "error": "error"}
    beside = [
        Suggestion(one.text, hint, one.state)
        for kind, hint in kinds.items()
        for one in _values(actor, environment, held, kind, key)[:EACH]
    ]
    return [*keys, *beside][:MOST]


def _values(actor: Actor, environment: Environment, held: Held, key: str, begun: str) -> list[Suggestion]:
    """Those of one qualifier that begin with or contain what was typed, the former first."""
    if key == "state":
        states = [state for state in TaskState if begun in state.value or begun in state.label.lower()]
        return [Suggestion(f"state:{state.value}", "", state.value) for state in states]
    if (
        key not in MEANINGS or not held.sees_everything
    ):  # whose names and errors these are, the lists of them do not say
        return []
    if key == "name":
        return _said(key, begun, values.names(environment))
    if key == "error":
        return _said(key, begun, values.error_types(environment))
    if key == "queue":
        depths = dict(fleet.queues(actor, environment).values_list("name", "depth")[:LOOKED])
        waiting = {name: gettext("%(number)s waiting") % {"number": number(depth)} for name, depth in depths.items()}
        return _said(key, begun, dict.fromkeys([*values.queues(environment), *depths]), waiting)
    if key in ("worker", "engine"):
        rows = fleet.workers(actor, environment).order_by("-heartbeat_at")[:LOOKED]
        named = [(row.name, f"{row.engine}, {uncapped(row.state.label)}") for row in rows]
        hints = dict(reversed(named)) if key == "worker" else {row.engine: "" for row in rows}
        return _said(key, begun, hints, hints)
    return []


def _said(key: str, begun: str, found: Iterable[str], hints: dict[str, str] | None = None) -> list[Suggestion]:
    ordered = sorted(_matching(begun, found))[:MOST]
    return [Suggestion(f"{key}:{_quoted(value)}", (hints or {}).get(value, "")) for _, value in ordered]


def _matching(begun: str, found: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Each with its rank: what begins so, then what has a last part that does, then the rest."""
    for value in found:
        lower = value.lower()
        if begun in lower:
            begins = lower.startswith(begun), lower.rpartition(".")[2].startswith(begun)
            yield (*begins, True).index(True), value


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value
