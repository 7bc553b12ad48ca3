"""What a person has asked to see in this session, and whether it hides all because others look on.

It stands in the session, which is a row of ours: it ends with it, and no other session of the same person has it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

#: How long the values of a task, or of anything else that has a key, are shown to whoever asked.
SHOWN_FOR = timedelta(minutes=15)
#: Tasks that one session has on show; with more, the one that was asked for first is hidden again.
MOST = 20

_SHOWN, _PRESENTING = "on_show", "presenting"


def show(session: SessionBase, task: int | str) -> None:
    """From now on, for a while, unless others look on."""
    kept = {**_kept(session), str(task): int(time.time() + SHOWN_FOR.total_seconds())}
    newest = sorted(kept, key=kept.__getitem__)[-MOST:]
    session[_SHOWN] = {task: kept[task] for task in newest}


def hide(session: SessionBase, task: int | str) -> None:
    session[_SHOWN] = {name: end for name, end in _kept(session).items() if name != str(task)}


def until(session: SessionBase, task: int | str) -> datetime | None:
    """When what is shown of this task is hidden again; None while it is hidden."""
    if is_presenting(session):
        return None
    end = _kept(session).get(str(task), 0)
    return datetime.fromtimestamp(end, UTC) if end > time.time() else None


def present(session: SessionBase, on: bool) -> None:
    """Others look on, or do so no longer. What was on show before has to be asked for anew."""
    session[_SHOWN] = {}
    session[_PRESENTING] = on


def is_presenting(session: SessionBase) -> bool:
    return bool(session.get(_PRESENTING, False))


def part(session: Mapping[str, Any]) -> dict[str, Any]:
    """What of a session is about this."""
    return {name: session[name] for name in (_SHOWN, _PRESENTING) if name in session}


def merged(read: Mapping[str, Any], ours: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """What is on show after a request that found it as in `read` and left it as in `ours`; another one has `stored` it
    meanwhile. What that one hid stays hidden, unless this request was to show it.
    """
    if ours.get(_PRESENTING) != read.get(_PRESENTING):
        return dict(ours)
    was, shown = read.get(_SHOWN, {}), ours.get(_SHOWN, {})
    asked = {task: end for task, end in shown.items() if was.get(task) != end}
    kept = {task: end for task, end in stored.get(_SHOWN, {}).items() if task in shown or task not in was}
    return {**stored, _SHOWN: {**kept, **asked}} if stored or asked else {}


def _kept(session: SessionBase) -> Mapping[str, int]:
    found: Mapping[str, int] = session.get(_SHOWN, {})
    return found
