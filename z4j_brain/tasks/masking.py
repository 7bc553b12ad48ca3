"""What a page shows of the values of a task, hidden until the reader asks: what kind of thing is there, and why.

Nothing in here tells a value: a page that was not asked has no more of them than `Hidden` says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from django.contrib.sessions.backends.base import SessionBase
from django.utils.translation import gettext, ngettext

from z4j_brain.lib.words import number
from z4j_brain.rbac import onshow
from z4j_brain.rbac.actor import Actor
from z4j_brain.tasks import queries
from z4j_brain.tasks.models import Task

_OPEN, _CLOSE = "([{<", ")]}>"
_FRAME = re.compile(r'^  File "', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Hidden:
    """What kind of thing is hidden, and how much of it. There is nothing to hide where no `size` is."""

    kind: str
    size: str


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one task as one reader has them now. `until`: shown till then; None: hidden."""

    permitted: bool
    until: datetime | None
    presenting: bool
    args: Hidden | None
    kwargs: Hidden | None
    result: Hidden | None
    message: Hidden | None
    traceback: Hidden | None

    @property
    def shown(self) -> bool:
        return self.until is not None

    @property
    def any(self) -> bool:
        found = (self.args, self.kwargs, self.result, self.message, self.traceback)
        return any(one is not None and bool(one.size) for one in found)

    @property
    def askable(self) -> bool:
        """Is there something that the reader could see if they asked?"""
        return self.any and self.permitted and not self.shown and not self.presenting


def values(actor: Actor, session: SessionBase, task: Task) -> Values:
    permitted = queries.sees_payload(actor, task)
    return Values(
        permitted=permitted,
        until=onshow.until(session, task.pk) if permitted else None,
        presenting=onshow.is_presenting(session),
        **kinds(task),
    )


def kinds(task: Task) -> dict[str, Hidden | None]:
    """What of a task is guarded, by what it is; None where there is nothing."""
    frames = len(_FRAME.findall(task.traceback))
    trace = ngettext("a traceback of %(number)s frame", "a traceback of %(number)s frames", frames)
    trace = trace % {"number": number(frames)} if frames else gettext("a traceback")
    return {
        "args": _arguments(task.args),
        "kwargs": _arguments(task.kwargs, by_name=True),
        "result": _hidden(gettext("a result"), task.result),
        "message": _hidden(gettext("a message"), task.error_message),
        "traceback": _hidden(trace, task.traceback),
    }


def _hidden(kind: str, text: str) -> Hidden | None:
    size = ngettext("%(number)s character", "%(number)s characters", len(text))
    return Hidden(kind, size % {"number": number(len(text))}) if text else None


def _arguments(text: str, *, by_name: bool = False) -> Hidden | None:
    """How many values stand side by side in a text such as `(1, 'a, b')` or `{'a': [1, 2]}`."""
    inner = text.strip()[1:-1].strip().removesuffix(",")
    if text and not inner:
        return Hidden(gettext("none"), "")
    count = _commas(inner) + 1
    told = ngettext("%(number)s argument", "%(number)s arguments", count)
    if by_name:
        told = ngettext("%(number)s argument by name", "%(number)s arguments by name", count)
    return _hidden(told % {"number": number(count)}, text)


def _commas(text: str) -> int:
    """Those that stand in no brackets and no quotes."""
    depth = found = 0
    quote, escaped = "", False
    for letter in text:
        if quote:
            closes = letter == quote and not escaped
            escaped = letter == "\\" and not escaped
            quote = "" if closes else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _OPEN:
            depth += 1
        elif letter in _CLOSE:
            depth -= 1
        elif letter == "," and depth <= 0:
            found += 1
    return found
