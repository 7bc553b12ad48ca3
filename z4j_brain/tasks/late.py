"""What agents tell of tasks is looked at once more before any of it is stored: a secret in there is an agent's defect.

It is hidden here, counted by agent, and logged without what it was. What the agents hid is counted by rule.
"""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import orjson
from z4j_core import rules, wire
from z4j_core.marks import MARK
from z4j_core.policy import Policy
from z4j_core.rules import Rules
from z4j_core.walk import cut

from z4j_brain.agents.models import Agent
from z4j_brain.lib.batch import ParsedEvent
from z4j_brain.tasks import nested

logger = logging.getLogger(__name__)

#: What of an event may hold what a task was given or made.
PAYLOAD = ("args", "kwargs", "result")
NESTED = ("progress", "data")
#: And of its error, with how long each may be.
OF_ERRORS = {"type": 255, "message": wire.MAX_STRING, "traceback": wire.MAX_STRING}
_TOLD = frozenset((*PAYLOAD, *NESTED, "error"))
#: The built-in rule that hides what is called like a secret, whatever that is called.
NAMES = "names"
_BUILT_IN = frozenset(("redacted", "private key", "card", "email", "iban", "jwt", "secret", "ssn", "token"))

#: Most texts come again and again. So many are remembered that held nothing, if they are no longer.
KNOWN, SHORT = 10_000, 400
_harmless: set[tuple[Rules, str]] = set()

#: Seconds of CPU in which the texts of one batch are searched: many times what usual ones take.
BUDGET = 0.25

_SHAPE = re.compile(r"(?<![\w.])(?:(?:str|bytes|list|dict|tuple|set|frozenset)\[\d{1,12}\]|int|float|complex)(?!\w)")

Told = Sequence[tuple[Agent, list[ParsedEvent]]]


@dataclass(slots=True)
class Looked:
    """The same events, safe to store. `late`: by agent, texts with something in them; `hidden`: by rule, values."""

    told: list[tuple[Agent, list[ParsedEvent]]] = field(default_factory=list)
    late: Counter[str] = field(default_factory=Counter)
    hidden: Counter[str] = field(default_factory=Counter)


def look(policy: Policy, told: Told, clock: Callable[[], float] = time.thread_time) -> Looked:
    """Hide what is left to hide in these events, and count what is hidden. `clock`: the seconds that are spent."""
    looked = Looked()
    own = frozenset(rule["id"] for rule in policy["rules"])
    by_task = lru_cache(maxsize=1000)(partial(rules.of, policy)) if own else _built_in
    for agent, events in told:
        search = _Search(clock)
        clean = [_cleaned(by_task, search, parsed) for parsed in events]
        looked.told.append((agent, clean))
        if late := sum(_changed(was, now) for was, now in zip(events, clean, strict=True)):
            looked.late[agent.name] += late
            logger.warning(
                "late_redactions agent=%s boot=%s texts=%s unsearched=%s", agent.name, agent.boot, late, search.left_out
            )
        for parsed in clean:
            if "[" in parsed.text and not search.is_over():
                looked.hidden.update(_named(found["rule"], own) for found in MARK.finditer(parsed.text))
    return looked


class _Search:
    """What is searched of one batch. The writer waits meanwhile, and with it everybody: past its budget, what has not
    been seen before is told by its shape instead.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._end = clock, clock() + BUDGET
        self.left_out = 0

    def is_over(self) -> bool:
        return self._clock() >= self._end

    def text(self, applying: Rules, text: str, most: int = wire.MAX_STRING) -> str:
        """The text without its secrets, and no longer than `most` if there were any."""
        known = applying, text
        if known in _harmless:
            return text
        if self.is_over():
            self.left_out += 1
            return f"str[{len(text)}]"
        clean = applying.redact(text)
        if clean != text and (bare := _SHAPE.sub("None", text)) != text and applying.redact(bare) == bare:
            clean = text  # Shapes of values say nothing, not even of a password.
        if clean == text and len(text) <= SHORT:
            if len(_harmless) >= KNOWN:
                _harmless.clear()
            _harmless.add(known)
        return clean if clean == text else cut(clean, most)

    def value(self, applying: Rules, value: dict[str, Any]) -> Any:
        if self.is_over():
            self.left_out += 1
            return {"entries": len(value)}
        return nested.clean(value, applying, partial(self.text, applying))

    def error(self, applying: Rules, error: dict[str, Any]) -> dict[str, Any]:
        return error | {
            name: self.text(applying, text, most) for name, most in OF_ERRORS.items() if (text := error.get(name))
        }


def _built_in(task: str) -> Rules:
    return rules.NO_RULES


def _cleaned(by_task: Callable[[str], Rules], search: _Search, parsed: ParsedEvent) -> ParsedEvent:
    """The event itself, unless there is something in it."""
    event = parsed.event
    if _TOLD.isdisjoint(event):
        return parsed
    applying = by_task(event.get("name") or "")
    changed: dict[str, Any] = {}
    for name in PAYLOAD:
        if (text := event.get(name)) and (clean := search.text(applying, text)) != text:
            changed[name] = clean
    for name in NESTED:
        if (value := event.get(name)) and (clean := search.value(applying, value)) != value:
            changed[name] = clean
    if (error := event.get("error")) and (told := search.error(applying, error)) != error:
        changed["error"] = told
    if not changed:
        return parsed
    event, text = _fitting(event, changed)
    return ParsedEvent(parsed.seq, event, text, parsed.sealed)


def _fitting(event: dict[str, Any], changed: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The event with what changed, and as JSON. A mark may be longer than what it hides: what makes the event larger
    than one may be is told by its shape.
    """
    event = event | changed | {"late": sorted(changed)}  # so that a page can say where something was hidden
    text = orjson.dumps(event)
    for name in sorted(changed, key=lambda name: len(orjson.dumps(changed[name])), reverse=True):
        if len(text) <= wire.MAX_EVENT:
            break
        event[name] = _instead(name, changed[name])
        text = orjson.dumps(event)
    return event, text.decode()


def _instead(name: str, value: Any) -> Any:
    """What stands for this part of an event when it is not told, of the same kind."""
    if isinstance(value, str):
        return f"str[{len(value)}]"
    if name == "error":
        return {part: _instead(part, value[part]) if part in OF_ERRORS else value[part] for part in value}
    return {"entries": len(value)}


def _changed(was: ParsedEvent, now: ParsedEvent) -> int:
    return 0 if was is now else sum(was.event.get(name) != now.event.get(name) for name in _TOLD)


def _named(rule: str, own: frozenset[str]) -> str:
    """Rules by their ids; names of arguments and keys, of which there may be any number, as one."""
    return rule if rule in own or rule in _BUILT_IN else NAMES
