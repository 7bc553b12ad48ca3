"""What each kind of rule has to be told: its settings, what they may be, and how a form asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from z4j_brain.alerts.states import Kind
from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault

DAY, MONTH = 1440, 44_640
MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """One of them: a `whole` or other `number` from `least` to `most`, a `text`, or a `flag`."""

    name: str
    label: str
    type: str
    usual: Any = ""
    least: float = 0
    most: float = 255
    needed: bool = False
    help: str = ""

    def read(self, value: Any) -> Any:
        """The value as it is kept. Raises ValueError with a sentence for what it cannot be."""
        match self.type:
            case "flag":
                if not isinstance(value, bool):
                    raise ValueError("True or false.")
            case "text":
                if not isinstance(value, str) or len(value) > self.most or "\0" in value:
                    raise ValueError(f"A text of {self.most:.0f} characters at most.")
                value = value.strip()
                if self.needed and not value:
                    raise ValueError("This is needed.")
            case _:
                whole = self.type == "whole"
                fits = isinstance(value, int) if whole else isinstance(value, int | float)
                if not fits or isinstance(value, bool) or not self.least <= value <= self.most:
                    what = "whole number" if whole else "number"
                    raise ValueError(f"A {what} from {self.least:g} to {self.most:,g}.".replace("e+09", " billion"))
        return value


_QUEUE = Setting("queue", "Queue", "text", help="Empty: all of them.")
_TASK = "Its name, as the workers know it."

KINDS: Mapping[Kind, tuple[Setting, ...]] = {
    Kind.FAILURE_RATE: (
        Setting("percent", "Percent that fail", "number", 10, 0.1, 100),
        Setting("minutes", "Within minutes", "whole", 15, 5, DAY),
        Setting("least", "Of so many that ended, at least", "whole", 20, 1, MOST),
        Setting("queue", "Queue", "text", help="Empty: all of them. A queue or a task, not both."),
        Setting("task", "Task", "text", most=512, help="Empty: all of them. Of one task only whole hours are known."),
    ),
    Kind.ABSENCE: (
        Setting("task", "Task", "text", most=512, needed=True, help=_TASK),
        Setting("minutes", "Has not run for minutes", "whole", 60, 1, MONTH),
    ),
    Kind.QUEUE_DEPTH: (Setting("depth", "Tasks that wait", "whole", 1000, 1, MOST), _QUEUE),
    Kind.QUEUE_AGE: (Setting("minutes", "The oldest waits for minutes", "whole", 10, 1, MONTH), _QUEUE),
    Kind.WAIT_TIME: (
        Setting("seconds", "Seconds that 5 of 100 tasks wait, at least", "number", 60, 0.1, MONTH * 60),
        Setting("minutes", "Within minutes", "whole", 15, 5, DAY),
        Setting("least", "Of so many that ended, at least", "whole", 20, 1, MOST),
        _QUEUE,
    ),
    Kind.WORKER_GONE: (
        Setting("minutes", "Silent for minutes, without a goodbye", "whole", 2, 1, DAY),
        Setting("name", "Worker", "text", help="Empty: all of them. A pattern, such as mail-*."),
    ),
    Kind.SCHEDULE_MISSED: (
        Setting("schedule", "Schedule", "text", help="Empty: all of them."),
        Setting("failed", "Also when its run failed", "flag", usual=False),
    ),
    Kind.AGENT_DROPS: (Setting("events", "Events that one agent has dropped", "whole", 1, 1, MOST),),
    Kind.AUDIT_HEALTH: (Setting("outlets", "Also when an anchor or a stream is late", "flag", usual=True),),
}


def read(kind: str, given: Any) -> dict[str, Any]:
    """The settings of this kind as they are kept, with what is usual for those left out. Raises Problem by setting."""
    known = {one.name: one for one in KINDS[Kind(kind)]}
    if not isinstance(given, dict):
        raise invalid([Fault(pointer="#/settings", detail="An object with the settings of the kind.")])
    faults = [_fault(name, "Unknown setting of this kind.") for name in sorted(set(given) - set(known))]
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
        yield _fault("task", "A queue or a task, not both.")
    if kept["minutes"] < 60:
        yield _fault("minutes", "Of one task only whole hours are known: 60 or more.")


def _fault(name: str, detail: str) -> Fault:
    return Fault(pointer=f"#/settings/{name[:64]}", detail=detail)
