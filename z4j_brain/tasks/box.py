"""What stands in a search box: `queue:emails error:SMTP* receipt`, and a word on what cannot be understood."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings
from django.utils.translation import get_language, gettext, override

from z4j_brain.lib.words import uncapped
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import values
from z4j_brain.tasks.states import TaskState

#: Qualifiers by the column they are about, in the order in which they are shown.
COLUMNS = {
    "state": "state",
    "name": "name",
    "queue": "queue",
    "worker": "worker",
    "engine": "engine",
    "error": "error_type",
    "issue": "issue",
    "parent": "parent_id",
    "group": "group_id",
}
_QUALIFIER = re.compile(rf'(?<!\S)({"|".join(COLUMNS)}|tag):("[^"]*"|\S*)', re.I)
_STRANGE = re.compile(r"(?<!\S)([a-z_][\w.-]*):(?=[^\s:/])", re.I)


@dataclass(frozen=True, slots=True)
class Box:
    """`notes`: sentences about what was not understood, for the person who typed it."""

    text: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Box:
        given = [(key.lower(), value.strip('"')) for key, value in _QUALIFIER.findall(text)]
        found = {key: value for key, value in given if key in COLUMNS and value}
        rest = " ".join(_QUALIFIER.sub("", text).split())
        return cls(rest, understood(found), tuple(_notes(given, rest)))


def understood(qualifiers: Mapping[str, str]) -> dict[str, str]:
    """In the order of `COLUMNS`, a state by its own name."""
    found = {key: qualifiers[key] for key in COLUMNS if qualifiers.get(key)}
    if state := state_of(found.get("state", "")):
        found["state"] = state.value
    return found


def state_of(word: str) -> TaskState | None:
    states = _states(get_language())
    return states.get(word.lower().replace("_", " ")) or states.get(word.lower())


@lru_cache(maxsize=len(settings.LANGUAGES) + 1)
def _states(language: str | None) -> dict[str, TaskState]:
    """By their own names, and by the words that people see, in English and in the language at hand."""
    found = {str(state.label).lower(): state for state in TaskState} if language else {}
    with override("en"):
        found |= {str(state.label).lower(): state for state in TaskState}
    return found | {state.value: state for state in TaskState}


def columns(environment: Environment, qualifiers: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The columns they are about, each with the values it may have. A name that ends in * is a beginning, and so is an
    error.
    """
    found: dict[str, tuple[str, ...]] = {COLUMNS[key]: (value,) for key, value in qualifiers.items()}
    if (name := qualifiers.get("name", "")).endswith("*"):
        found["name"] = tuple(one for one in values.names(environment) if one.startswith(name[:-1]))
    if error := qualifiers.get("error"):
        found["error_type"] = tuple(one for one in values.error_types(environment) if _begins(one, error.rstrip("*")))
    return found


def unknown_state(word: str) -> str:
    known = ", ".join(uncapped(state.label) for state in TaskState)
    return gettext("There is no state “%(word)s”. There are %(known)s.") % {"word": word, "known": known}


def _begins(error_type: str, text: str) -> bool:
    """With its module or without, in any case."""
    whole, text = error_type.lower(), text.lower()
    return whole.startswith(text) or whole.rsplit(".", 1)[-1].startswith(text)


def _notes(given: list[tuple[str, str]], text: str) -> Iterator[str]:
    for key, value in given:
        if key == "tag":
            yield gettext("Tasks carry no tags yet: no engine reports any.")
        elif not value:
            yield gettext("“%(key)s:” needs a value behind it, without a space.") % {"key": key}
        elif key == "state" and not state_of(value):
            yield unknown_state(value)
    for key in _STRANGE.findall(text):
        known = " ".join(f"{one}:" for one in COLUMNS)
        text = gettext("“%(key)s:” is no qualifier and was looked for as text; %(known)s are.")
        yield text % {"key": key, "known": known}
