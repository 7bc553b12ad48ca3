"""What agents tell of schedules: the data of the events whose kinds begin with schedule. and scheduler.

On all of them `engine` is the name of the scheduler's adapter and `schedule` the key of the schedule, unique among
those of one scheduler in one environment. Times are microseconds since the epoch, UTC.
"""

from __future__ import annotations

import sys
from typing import TypedDict

from z4j_core.enums import StrEnum

if sys.version_info >= (3, 11):
    from typing import NotRequired


class Plan(StrEnum):
    """How a schedule says when. `other`: as its scheduler alone can work out; it tells the next time itself."""

    CRON = "cron"
    INTERVAL = "interval"
    ONCE = "once"
    OTHER = "other"


class Definition(StrEnum):
    """Where a schedule is written down: in the user's code, or where the scheduler keeps what people gave it."""

    CODE = "code"
    STORE = "store"


class Skip(StrEnum):
    """Why a scheduler did not fire when it was time."""

    LATE = "late"
    OVERLAP = "overlap"
    DISABLED = "disabled"


class ScheduleFacts(TypedDict):
    """The data of schedule.told: all that is known of one schedule.

    `engine` and `task` name the engine and the task it sends. `text` is the plan as its scheduler writes it. `cron`:
    five fields as crontab(5) has them, or six, the first one seconds; Monday is 1, Sunday 0 or 7. `every`:
    microseconds. `at`: when a one-shot is due. `zone`: an IANA name, "UTC" where the scheduler knows no other. `args`
    and `kwargs` are redacted text. `next` and `last` as the scheduler has them. `code`: the plan as the code has it,
    where the one in force is another. `cannot`: why a verb that the scheduler can do cannot be done to this one.
    """

    task: str
    engine: str
    plan: str
    text: str
    zone: str
    enabled: bool
    definition: str
    cron: NotRequired[str]
    every: NotRequired[int]
    at: NotRequired[int]
    queue: NotRequired[str]
    args: NotRequired[str]
    kwargs: NotRequired[str]
    next: NotRequired[int]
    last: NotRequired[int]
    code: NotRequired[str]
    cannot: NotRequired[dict[str, str]]


class Listing(TypedDict):
    """The data of schedule.listed: each of `count` schedules was told since `began`, so what was not is not there."""

    count: int
    began: int


class Firing(TypedDict):
    """The data of schedule.fired, with the `task_id` and the `engine` of the task that was sent. `due`: when it was to
    be, where that is known; `asked`: a person asked for it (run now), so that it belongs to no due time.
    """

    engine: str
    due: NotRequired[int]
    asked: NotRequired[bool]


class Skipped(TypedDict):
    """The data of schedule.skipped."""

    due: int
    why: str


class Ticking(TypedDict):
    """The data of scheduler.heartbeat, from a process in which the scheduler itself runs.

    `tick`: when its loop last turned; `every`: microseconds between two turns at most, as far as is known.
    """

    tick: int
    every: NotRequired[int]
    version: NotRequired[str]
    host: NotRequired[str]
    pid: NotRequired[int]
