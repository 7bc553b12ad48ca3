"""What agents tell of tasks is looked at once more before any of it is stored: a secret in there is an agent's defect.

It is hidden here, counted by agent, and logged without what it was. What the agents hid is counted by rule.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import orjson
from z4j_core import rules
from z4j_core.marks import MARK
from z4j_core.policy import Policy
from z4j_core.rules import Rules

from z4j_brain.agents.models import Agent
from z4j_brain.lib.batch import ParsedEvent
from z4j_brain.tasks import nested

logger = logging.getLogger(__name__)

#: What of an event may hold what a task was given or made.
PAYLOAD = ("args", "kwargs", "result")
NESTED = ("progress", "data")
OF_ERRORS = ("type", "message", "traceback")
_TOLD = frozenset((*PAYLOAD, *NESTED, "error"))
#: The built-in rule that hides what is called like a secret, whatever that is called.
NAMES = "names"
_BUILT_IN = frozenset(("redacted", "private key", "card", "email", "iban", "jwt", "secret", "ssn", "token"))

#: Most texts come again and again. So many are remembered that held nothing, if they are no longer.
KNOWN, SHORT = 10_000, 400
_harmless: set[tuple[Rules, str]] = set()

_SHAPE = re.compile(r"(?<![\w.])(?:(?:str|bytes|list|dict|tuple|set|frozenset)\[\d{1,12}\]|int|float|complex)(?!\w)")

Told = Sequence[tuple[Agent, list[ParsedEvent]]]


@dataclass(slots=True)
class Looked:
    """The same events, safe to store. `late`: by agent, texts with something in them; `hidden`: by rule, values."""

    told: list[tuple[Agent, list[ParsedEvent]]] = field(default_factory=list)
    late: Counter[str] = field(default_factory=Counter)
    hidden: Counter[str] = field(default_factory=Counter)


def look(policy: Policy, told: Told) -> Looked:
    """Hide what is left to hide in these events, and count what is hidden."""
    looked = Looked()
    own = frozenset(rule["id"] for rule in policy["rules"])
    by_task = lru_cache(maxsize=1000)(partial(rules.of, policy)) if own else _built_in
    for agent, events in told:
        clean = [_cleaned(by_task, parsed) for parsed in events]
        looked.told.append((agent, clean))
        if late := sum(_changed(was, now) for was, now in zip(events, clean, strict=True)):
            looked.late[agent.name] += late
            logger.warning("late_redactions agent=%s boot=%s texts=%s", agent.name, agent.boot, late)
        for parsed in clean:
            if "[" in parsed.text:
                looked.hidden.update(_named(found["rule"], own) for found in MARK.finditer(parsed.text))
    return looked


def _built_in(task: str) -> Rules:
    return rules.NO_RULES


def _cleaned(by_task: Callable[[str], Rules], parsed: ParsedEvent) -> ParsedEvent:
    """The event itself, unless there is something in it."""
    event = parsed.event
    if _TOLD.isdisjoint(event):
        return parsed
    applying = by_task(event.get("name") or "")
    changed: dict[str, Any] = {}
    for name in PAYLOAD:
        if (text := event.get(name)) and (clean := _text(applying, text)) != text:
            changed[name] = clean
    for name in NESTED:
        if (value := event.get(name)) and (clean := nested.clean(value, applying, partial(_text, applying))) != value:
            changed[name] = clean
    if (error := event.get("error")) and (told := _error(applying, error)) != error:
        changed["error"] = told
    if not changed:
        return parsed
    event = event | changed | {"late": sorted(changed)}  # so that a page can say where something was hidden
    return ParsedEvent(parsed.seq, event, orjson.dumps(event).decode(), parsed.sealed)


def _text(applying: Rules, text: str) -> str:
    known = applying, text
    if known in _harmless:
        return text
    clean = applying.redact(text)
    if clean != text and not _says_something(applying, text):
        clean = text
    if clean == text and len(text) <= SHORT:
        if len(_harmless) >= KNOWN:
            _harmless.clear()
        _harmless.add(known)
    return clean


def _says_something(applying: Rules, text: str) -> bool:
    """Is there more to hide than the shapes of values, which say nothing even of a password?"""
    bare = _SHAPE.sub("None", text)
    return applying.redact(bare) != bare


def _error(applying: Rules, error: dict[str, Any]) -> dict[str, Any]:
    return error | {name: _text(applying, text) for name in OF_ERRORS if (text := error.get(name))}


def _changed(was: ParsedEvent, now: ParsedEvent) -> int:
    return 0 if was is now else sum(was.event.get(name) != now.event.get(name) for name in _TOLD)


def _named(rule: str, own: frozenset[str]) -> str:
    """Rules by their ids; names of arguments and keys, of which there may be any number, as one."""
    return rule if rule in own or rule in _BUILT_IN else NAMES
