"""What people say of a schedule of z4j's own, read field by field: everything that is wrong with it is told at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, override

from z4j_brain.lib import timing, zones
from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault
from z4j_brain.lib.words import number
from z4j_brain.schedules import firing
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import CatchUp, Overlap, Plan

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: Characters of arguments, as JSON.
LARGEST: Final = 16_384
#: Seconds that a due time may wait, at most.
LONGEST_GRACE: Final = 86_400
#: The ways to say when: one of them.
PLANS: Final = ("cron", "every", "at")
_TEXTS: Final = {"key": 200, "task": 512, "engine": 32, "queue": 255}
_NEEDED: Final = ("key", "task", "engine")


class _Wrong(ValueError):
    pass


def read(schedule: Schedule, told: Mapping[str, Any]) -> Schedule:
    """Set what is told; what is not stays. A Problem of status 400 that points at each field that is wrong."""
    faults = [Fault(pointer=f"#/{name}", detail=gettext("Unknown field.")) for name in told if name not in FIELDS]
    for name, reader in _READERS.items():
        if name in told:
            try:
                reader(schedule, name, told[name])
            except _Wrong as error:
                faults.append(Fault(pointer=f"#/{name}", detail=str(error)))
    wrong = {fault["pointer"] for fault in faults}
    faults += [
        Fault(pointer=f"#/{name}", detail=gettext("This is needed."))
        for name in _NEEDED
        if not getattr(schedule, name) and f"#/{name}" not in wrong
    ]
    faults += _plan(schedule, told) if not wrong & {"#/zone"} else []
    if faults:
        raise invalid(faults)
    with override("en"):  # it is stored
        schedule.text = timing.words(firing.plan(schedule))[:255]
    return schedule


def _plan(schedule: Schedule, told: Mapping[str, Any]) -> list[Fault]:
    """The plan as a whole: one way to say when, and one that can be kept."""
    said = [name for name in PLANS if told.get(name) not in (None, "")]
    if len(said) > 1:
        detail = gettext("Either %(one)s or %(other)s, not both.") % {"one": said[0], "other": said[1]}
        return [Fault(pointer=f"#/{said[1]}", detail=detail)]
    if not said and schedule.plan == Plan.OTHER:
        detail = gettext("Say when: by cron, every so many seconds, or once, at a moment.")
        return [Fault(pointer="#/cron", detail=detail)]
    try:
        if said:
            _set_plan(schedule, said[0], told[said[0]])
        timing.parse(firing.plan(schedule))
    except timing.Wrong as error:
        return [Fault(pointer=f"#/{error.field}", detail=str(error))]
    except ValueError as error:
        return [Fault(pointer=f"#/{said[0]}", detail=str(error))]
    return []


def _set_plan(schedule: Schedule, name: str, value: Any) -> None:
    before = firing.plan(schedule)
    schedule.cron, schedule.every_us, schedule.at = "", None, None
    if name == "cron":
        if not isinstance(value, str):
            raise ValueError(gettext("A text is needed: five fields, or six with the seconds first."))
        schedule.plan, schedule.cron = Plan.CRON, " ".join(value.split())
    elif name == "every":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(gettext("A number of seconds is needed."))
        every = round(min(abs(value), 1e12) * 1_000_000) if value > 0 else 0
        # It counts from when it is said, so that not all that are alike are due at once.
        begun = before.at if before.kind == Plan.INTERVAL and before.every == every else timezone.now()
        schedule.plan, schedule.every_us, schedule.at = Plan.INTERVAL, every, begun
    else:
        schedule.plan, schedule.at = Plan.ONCE, moment(value, schedule.zone)


def moment(value: Any, zone: str) -> datetime:
    """A time with its offset, or one that clocks in that zone show exactly once; else ValueError, with a sentence."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _no_time() from None
    if not isinstance(value, datetime):
        raise _no_time()
    try:
        return value.astimezone(UTC) if value.tzinfo else zones.exact(value, zones.zone(zone))
    except OverflowError:
        raise ValueError(gettext("There is no such time.")) from None


def _no_time() -> ValueError:
    return ValueError(gettext("A time is needed, as in 2026-11-27T14:00 or 2026-11-27T14:00:00Z."))


def _text(schedule: Schedule, name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise _Wrong(gettext("A text is needed."))
    if len(value) > _TEXTS[name]:
        raise _Wrong(gettext("At most %(most)s characters.") % {"most": _TEXTS[name]})
    if value != value.strip() or any(letter < " " or "\ud800" <= letter <= "\udfff" for letter in value):
        raise _Wrong(gettext("Without spaces around it, and without control characters."))
    setattr(schedule, name, value)


def _zone(schedule: Schedule, name: str, value: Any) -> None:
    try:
        schedule.zone = zones.zone(value if isinstance(value, str) else "").key
    except ValueError as error:
        raise _Wrong(str(error)) from None


def _json(kind: type, needed: StrOrPromise) -> Callable[[Schedule, str, Any], None]:
    def reader(schedule: Schedule, name: str, value: Any) -> None:
        if not isinstance(value, kind):
            raise _Wrong(str(needed))
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            text.encode()
        except (TypeError, ValueError):
            raise _Wrong(gettext("Only what JSON has a form for.")) from None
        if len(text) > LARGEST:
            raise _Wrong(gettext("At most %(most)s characters as JSON.") % {"most": number(LARGEST)})
        setattr(schedule, name, text)

    return reader


def _choice(choices: type[CatchUp] | type[Overlap]) -> Callable[[Schedule, str, Any], None]:
    def reader(schedule: Schedule, name: str, value: Any) -> None:
        if value not in choices.values:
            raise _Wrong(gettext("One of %(values)s.") % {"values": ", ".join(choices.values)})
        setattr(schedule, name, value)

    return reader


def _enabled(schedule: Schedule, name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise _Wrong(gettext("true or false."))
    if not schedule._state.adding and value != schedule.enabled:
        raise _Wrong(gettext("To enable and to disable are verbs of their own, with a reason."))
    schedule.enabled = value


def _grace(schedule: Schedule, name: str, value: Any) -> None:
    if value is None:
        schedule.grace_us = None
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= LONGEST_GRACE:
        raise _Wrong(gettext("A number of seconds, from 1 to %(most)s.") % {"most": number(LONGEST_GRACE)})
    else:
        schedule.grace_us = round(value * 1_000_000)


_READERS: Final[Mapping[str, Callable[[Schedule, str, Any], None]]] = {
    **dict.fromkeys(_TEXTS, _text),
    "zone": _zone,
    "args": _json(list, gettext_lazy("A list is needed.")),
    "kwargs": _json(dict, gettext_lazy("An object is needed.")),
    "catch_up": _choice(CatchUp),
    "overlap": _choice(Overlap),
    "grace": _grace,
    "enabled": _enabled,
}
FIELDS: Final = frozenset({*_READERS, *PLANS})
