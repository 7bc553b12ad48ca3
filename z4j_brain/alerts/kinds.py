"""What each kind of rule has to be told: its settings, what they may be, and how a form asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext, gettext_lazy

from z4j_brain.alerts.states import Kind
from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

DAY, MONTH = 1440, 44_640
MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """One of them: a `whole` or other `number` from `least` to `most`, a `text`, or a `flag`."""

    name: str
    label: StrOrPromise
    type: str
    usual: Any = ""
    least: float = 0
    most: float = 255
    needed: bool = False
    help: StrOrPromise = ""

    def read(self, value: Any) -> Any:
        """The value as it is kept. Raises ValueError with a sentence for what it cannot be."""
        match self.type:
            case "flag":
                if not isinstance(value, bool):
                    raise ValueError(gettext("True or false."))
            case "text":
                if not isinstance(value, str) or len(value) > self.most or "\0" in value:
                    raise ValueError(gettext("A text of %(most)s characters at most.") % {"most": f"{self.most:.0f}"})
                value = value.strip()
                if self.needed and not value:
                    raise ValueError(gettext("This is needed."))
            case _:
                whole = self.type == "whole"
                fits = isinstance(value, int) if whole else isinstance(value, int | float)
                if not fits or isinstance(value, bool) or not self.least <= value <= self.most:
                    raise ValueError(self._bounds(whole))
        return value

    def _bounds(self, whole: bool) -> str:
        least, most = f"{self.least:g}", f"{self.most:,g}"
        if self.most == MOST:
            most = gettext("1 billion")
        if whole:
            return gettext("A whole number from %(least)s to %(most)s.") % {"least": least, "most": most}
        return gettext("A number from %(least)s to %(most)s.") % {"least": least, "most": most}


_QUEUE = Setting("queue", gettext_lazy("Queue"), "text", help=gettext_lazy("Empty: all of them."))
_TASK = gettext_lazy("Its name, as the workers know it.")

KINDS: Mapping[Kind, tuple[Setting, ...]] = {
    Kind.FAILURE_RATE: (
        Setting("percent", gettext_lazy("Percent that fail"), "number", 10, 0.1, 100),
        Setting("minutes", gettext_lazy("Within minutes"), "whole", 15, 5, DAY),
        Setting("least", gettext_lazy("Of so many that ended, at least"), "whole", 20, 1, MOST),
        Setting(
            "queue",
            gettext_lazy("Queue"),
            "text",
            help=gettext_lazy("Empty: all of them. A queue or a task, not both."),
        ),
        Setting(
            "task",
            gettext_lazy("Task"),
            "text",
            most=512,
            help=gettext_lazy("Empty: all of them. Of one task only whole hours are known."),
        ),
    ),
    Kind.ABSENCE: (
        Setting("task", gettext_lazy("Task"), "text", most=512, needed=True, help=_TASK),
        Setting("minutes", gettext_lazy("Has not run for minutes"), "whole", 60, 1, MONTH),
    ),
    Kind.QUEUE_DEPTH: (Setting("depth", gettext_lazy("Tasks that wait"), "whole", 1000, 1, MOST), _QUEUE),
    Kind.QUEUE_AGE: (Setting("minutes", gettext_lazy("The oldest waits for minutes"), "whole", 10, 1, MONTH), _QUEUE),
    Kind.WAIT_TIME: (
        Setting("seconds", gettext_lazy("Seconds that 5 of 100 tasks wait, at least"), "number", 60, 0.1, MONTH * 60),
        Setting("minutes", gettext_lazy("Within minutes"), "whole", 15, 5, DAY),
        Setting("least", gettext_lazy("Of so many that ended, at least"), "whole", 20, 1, MOST),
        _QUEUE,
    ),
    Kind.WORKER_GONE: (
        Setting("minutes", gettext_lazy("Silent for minutes, without a goodbye"), "whole", 2, 1, DAY),
        Setting(
            "name", gettext_lazy("Worker"), "text", help=gettext_lazy("Empty: all of them. A pattern, such as mail-*.")
        ),
    ),
    Kind.SCHEDULE_MISSED: (
        Setting("schedule", gettext_lazy("Schedule"), "text", help=gettext_lazy("Empty: all of them.")),
        Setting("failed", gettext_lazy("Also when its run failed"), "flag", usual=False),
    ),
    Kind.AGENT_DROPS: (Setting("events", gettext_lazy("Events that one agent has dropped"), "whole", 1, 1, MOST),),
    Kind.AUDIT_HEALTH: (
        Setting("outlets", gettext_lazy("Also when an anchor or a stream is late"), "flag", usual=True),
    ),
}


def read(kind: str, given: Any) -> dict[str, Any]:
    """The settings of this kind as they are kept, with what is usual for those left out. Raises Problem by setting."""
    known = {one.name: one for one in KINDS[Kind(kind)]}
    if not isinstance(given, dict):
        raise invalid([Fault(pointer="#/settings", detail=gettext("An object with the settings of the kind."))])
    faults = [_fault(name, gettext("Unknown setting of this kind.")) for name in sorted(set(given) - set(known))]
    kept = {}
    for name, one in known.items():
        try:
            kept[name] = one.read(given.get(name, one.usual))
        except ValueError as error:
            faults.append(_fault(name, str(error)))
    faults = faults or list(_together(Kind(kind), kept))
    if faults:
        raise invalid(faults)
    return kept


def usual(kind: Kind) -> dict[str, Any]:
    return {one.name: one.usual for one in KINDS[kind]}


def _together(kind: Kind, kept: Mapping[str, Any]) -> Iterator[Fault]:
    if kind != Kind.FAILURE_RATE or not kept["task"]:
        return
    if kept["queue"]:
        yield _fault("task", gettext("A queue or a task, not both."))
    if kept["minutes"] < 60:
        yield _fault("minutes", gettext("Of one task only whole hours are known: 60 or more."))


def _fault(name: str, detail: str) -> Fault:
    return Fault(pointer=f"#/settings/{name[:64]}", detail=detail)
