"""Schedules as a crontab: a line each, of which a comment before it tells what a crontab has no words for.

    CRON_TZ=Europe/Berlin
    #: {"key": "bills", "engine": "celery", "queue": "slow"}
    0 3 * * 1-5 shop.bill [42] {"currency": "eur"}
    #- 30 4 * * * shop.tidy

Where the command would be stands the name of the task, then perhaps a list and an object of arguments, as JSON. A line
that begins with `#-` is one that is disabled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.translation import gettext, gettext_lazy

from z4j_brain.lib.cron import ALIASES

#: Lines of one crontab.
MOST: Final = 1_000
_VARIABLE = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(.*?)\s*\Z")
_ZONES = ("CRON_TZ", "TZ")
_FIELD = re.compile(r"[\d*?][\dA-Za-z*?,/#-]*\Z|(?:(?:SUN|MON|TUE|WED|THU|FRI|SAT|L)[\w,#-]*)\Z")
_TASK = re.compile(r"[^\W\d][\w.:-]*\Z")
_COMMENT: Final = gettext_lazy('After "#:" stands an object as JSON, such as {"key": "bills"}.')
_ARGUMENTS: Final = gettext_lazy('After the task a list, an object, or both, as JSON: [42] {"currency": "eur"}.')
#: What a comment before a line may say.
_TOLD: Final = frozenset({"key", "engine", "queue", "zone", "catch_up", "overlap", "grace"})


class NotUnderstood(ValueError):
    """A sentence on what is wrong with a line."""


@dataclass(slots=True)
class Line:
    """One schedule of a crontab as `own.create` takes it, or what is wrong with it. `number` counts from one."""

    number: int
    text: str
    told: dict[str, Any] = field(default_factory=dict)
    wrong: str = ""


def read(text: str, usual: Mapping[str, Any]) -> tuple[list[Line], list[str]]:
    """Each schedule of it, and notices on what is passed over. `usual`: what holds where a line does not say."""
    lines: list[Line] = []
    notices: list[str] = []
    zone, before = "", {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        try:
            if line.startswith("#:"):
                before = _comment(line[2:])
            elif not line or (line.startswith("#") and not line.startswith("#-")):
                continue
            elif (found := _VARIABLE.match(line)) and found[1] in _ZONES:
                zone = found[2].strip("\"'")
            elif found:
                strange = gettext("Line %(line)s: %(name)s means nothing here.")
                notices.append(strange % {"line": number, "name": found[1]})
            else:
                here = {"zone": zone} if zone else {}
                told = {**usual, **here, **before, **_schedule(line.removeprefix("#-").strip())}
                lines.append(Line(number, line, told | {"enabled": not line.startswith("#-")}))
                before = {}
        except NotUnderstood as error:
            lines.append(Line(number, line, wrong=str(error)))
            before = {}
    _name(lines)
    return lines, notices


def write(schedules: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a crontab. Each: `told` for the comment, `cron` and `zone`, `task`, `args`, `kwargs`, `enabled`; of
    what a crontab cannot say, its `words` in a comment.
    """
    zone = ""
    for one in schedules:
        if not one["cron"]:
            yield f"# Not for a crontab: {_one_line(one['key'])}, {_one_line(one['task'])}, {_one_line(one['words'])}"
            continue
        if one["zone"] != zone:
            zone = str(one["zone"])
            yield f"CRON_TZ={_one_line(zone)}"
        told = {name: value for name, value in one["told"].items() if value not in ("", None)}
        yield f"#: {json.dumps({'key': one['key'], **told})}"
        arguments = " ".join(json.dumps(value) for value in (one["args"], one["kwargs"]) if value)
        line = f"{one['cron']} {_one_line(one['task'])} {arguments}".rstrip()
        yield line if one["enabled"] else f"#- {line}"


def _comment(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise NotUnderstood(_COMMENT) from None
    if not isinstance(told, dict):
        raise NotUnderstood(_COMMENT)
    if strange := sorted(set(told) - _TOLD):
        text = gettext("%(name)s means nothing here; known are %(known)s.")
        raise NotUnderstood(text % {"name": strange[0][:64], "known": ", ".join(sorted(_TOLD))})
    return told


def _schedule(line: str) -> dict[str, Any]:
    words = line.split(None, 1)
    if words[0].lower() in ALIASES and len(words) == 2:
        return {"cron": words[0], **_call(words[1])}
    words = line.split(None, 6)
    if len(words) < 6:
        raise NotUnderstood(
            gettext("Five fields of a cron expression, or six with the seconds first, then the name of a task.")
        )
    number = 6 if len(words) == 7 and all(map(_FIELD.match, words[:6])) else 5
    *fields, rest = line.split(None, number)
    return {"cron": " ".join(fields), **_call(rest)}


def _call(text: str) -> dict[str, Any]:
    task, _, rest = text.partition(" ")
    if not _TASK.match(task):
        text = gettext("%(name)s is no name of a task: z4j sends tasks, it runs no programs.")
        raise NotUnderstood(text % {"name": task[:64]})
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for value in _values(rest.strip()):
        if isinstance(value, list) and not args and not kwargs:
            args = value
        elif isinstance(value, dict) and not kwargs:
            kwargs = value
        else:
            raise NotUnderstood(_ARGUMENTS)
    return {"task": task, "args": args, "kwargs": kwargs}


def _values(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    while text:
        try:
            value, end = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            raise NotUnderstood(_ARGUMENTS) from None
        yield value
        text = text[end:].lstrip()


def _name(lines: Iterable[Line]) -> None:
    """A line that has no key of its own goes by its task; the second one by its task and a 2."""
    taken = {line.told.get("key") for line in lines}
    for line in lines:
        if line.wrong or "key" in line.told:
            continue
        task, number = str(line.told["task"])[:190], 1
        name = task
        while name in taken:
            number += 1
            name = f"{task}-{number}"
        taken.add(name)
        line.told["key"] = name


def _one_line(value: Any) -> str:
    return " ".join(str(value).split())
