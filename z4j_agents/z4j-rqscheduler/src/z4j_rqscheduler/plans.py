"""How RQ's schedulers say when, in the words of the wire, and what people wish, in those of RQ.

Cron fields are this machine's local time in all of them. Where the name of that zone cannot be told, or a library reads
an expression in another way than crontab(5) does, the plan is `other`: nobody could work it out from its fields.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from z4j_core.timetable import Plan

SECOND: Final = 1_000_000
_LOCALTIME: Final = "/etc/localtime"
#: Numbers, names, lists, ranges and steps: what everybody reads alike. Not L, W, # or ? and no random ones.
_FIELD: Final = re.compile(r"(\*|[0-9]+|[A-Za-z]{3})(-([0-9]+|[A-Za-z]{3}))?(/[0-9]+)?")


class Refused(ValueError):
    """A wish that the scheduler cannot fulfil, with a sentence for whoever wished."""


def sentence(error: Exception) -> str:
    """Of RQ, too."""
    return f"{str(error).rstrip('.')}."


@dataclass(frozen=True, slots=True)
class Wish:
    """What `params` of an edit or a new schedule ask for. What is None was not asked."""

    cron: str | None = None
    every: int | None = None
    at: int | None = None
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] | None = None
    queue: str | None = None

    @property
    def has_plan(self) -> bool:
        return not (self.cron is None and self.every is None and self.at is None)


def wish(params: Mapping[str, Any], *, takes: tuple[str, ...]) -> Wish:
    """Raises Refused. `takes`: the kinds of plans that the scheduler has, of cron, every and at."""
    given = [name for name in ("cron", "every", "at") if params.get(name) not in (None, "")]
    if len(given) > 1:
        raise Refused(f"A schedule has one plan, not {len(given)}.")
    for name in given:
        if name not in takes:
            raise Refused(f"This scheduler has no plan of the kind {name}; it takes {' or '.join(takes)}.")
    args, kwargs = params.get("args"), params.get("kwargs")
    if not isinstance(args, list | None) or not isinstance(kwargs, dict | None):
        raise Refused("args is a list, and kwargs has names.")
    if "cron" in given:
        _check_zone(str(params.get("zone") or ""))
    return Wish(
        cron=str(params["cron"]).strip() if "cron" in given else None,
        every=_seconds(params["every"]) if "every" in given else None,
        at=_moment(params["at"]) if "at" in given else None,
        args=None if args is None else tuple(args),
        kwargs=kwargs,
        queue=str(params.get("queue") or "") or None,
    )


def _check_zone(wanted: str) -> None:
    here = local_zone()
    if wanted and wanted != here and not (here and _same(wanted, here)):
        raise Refused(f"RQ reads cron fields in the zone of its machine, {here or 'whatever that is'}; not {wanted}.")


def _same(one: str, other: str) -> bool:
    """Two names of UTC are one zone."""
    names = {"UTC", "Etc/UTC", "Etc/GMT", "GMT", "Etc/Zulu", "Zulu", "Etc/Universal"}
    return one in names and other in names


def _seconds(every: Any) -> int:
    if not isinstance(every, int) or every < SECOND or every % SECOND:
        raise Refused("RQ counts whole seconds, and at least one.")
    return every // SECOND


def _moment(at: Any) -> int:
    if not isinstance(at, int):
        raise Refused("A moment is a number of microseconds since 1970.")
    if at <= time.time() * SECOND:
        raise Refused("That moment has passed.")
    return at


def local_zone() -> str:
    """The name of this machine's zone; "" where nobody knows one."""
    with suppress(Exception):
        named = os.environ.get("TZ", "").lstrip(":")
        if not named:
            _, _, named = os.path.realpath(_LOCALTIME).partition("zoneinfo/")
        if named:
            return ZoneInfo(named).key
    return "UTC" if not time.timezone and not time.daylight else ""


def micros(moment: datetime | float) -> int:
    """Since the epoch. A moment without a zone is UTC."""
    if isinstance(moment, datetime):
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return round(moment * SECOND)


def told(*, cron: str = "", every: int | None = None, at: int | None = None, text: str = "") -> dict[str, Any]:
    """The plan, as part of ScheduleFacts. `cron` as crontab(5) has it, or with seconds before; `every` in seconds."""
    zone = local_zone()
    if cron and zone and is_plain(cron):
        return {"plan": Plan.CRON, "cron": cron, "text": text or cron, "zone": zone}
    if cron or (every is None and at is None):
        return {"plan": Plan.OTHER, "text": text or cron, "zone": zone or "UTC"}
    if every is not None:
        return {"plan": Plan.INTERVAL, "every": every * SECOND, "text": text or f"every {every} s", "zone": "UTC"}
    moment = datetime.fromtimestamp((at or 0) / SECOND, UTC)
    return {"plan": Plan.ONCE, "at": at, "text": text or moment.isoformat(" ", "seconds"), "zone": "UTC"}


def is_plain(cron: str) -> bool:
    fields = cron.split()
    return len(fields) in (5, 6) and all(_FIELD.fullmatch(part) for field in fields for part in field.split(","))


def restricts_days_twice(cron: str) -> bool:
    """By the day of the month and by that of the week: crontab(5) takes either, some libraries want both."""
    fields = cron.split()[-5:]
    return len(fields) == 5 and not fields[2].startswith("*") and not fields[4].startswith("*")
