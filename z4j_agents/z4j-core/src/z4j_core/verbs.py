"""What an adapter may be asked to do, what it may be asked to tell, and how it says how well it can.

A verb or a read is a method of `z4j_core.engine.Engine`, or of `z4j_core.scheduler.Scheduler`; an adapter that
overrides it offers it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from z4j_core.enums import StrEnum


class Subject(StrEnum):
    """What one target of a verb is. An empty queue name means every queue of the worker."""

    TASK = "task"
    QUEUE = "queue"
    WORKER = "worker"
    SCHEDULE = "schedule"


class Support(StrEnum):
    """`native`: the engine's own API does it. `emulated`: we do it by other means. `none`: it cannot be done."""

    NATIVE = "native"
    EMULATED = "emulated"
    NONE = "none"


#: Verbs of engines change something. They travel as signed commands.
VERBS: Final[dict[str, Subject]] = {
    "retry": Subject.TASK,
    "retry_with": Subject.TASK,
    "run": Subject.TASK,
    "cancel": Subject.TASK,
    "requeue": Subject.TASK,
    "move": Subject.TASK,
    "purge": Subject.QUEUE,
    "pause": Subject.QUEUE,
    "resume": Subject.QUEUE,
    "grow": Subject.WORKER,
    "shrink": Subject.WORKER,
    "autoscale": Subject.WORKER,
    "restart_pool": Subject.WORKER,
    "restart": Subject.WORKER,
    "stop": Subject.WORKER,
    "rate_limit": Subject.WORKER,
    "time_limit": Subject.WORKER,
    "hello": Subject.WORKER,
}
#: Verbs of schedulers. A schedule is known by its key, which is the name of a target.
SCHEDULER_VERBS: Final[dict[str, Subject]] = {
    "schedule_enable": Subject.SCHEDULE,
    "schedule_disable": Subject.SCHEDULE,
    "schedule_edit": Subject.SCHEDULE,
    "schedule_create": Subject.SCHEDULE,
    "schedule_delete": Subject.SCHEDULE,
    "schedule_run": Subject.SCHEDULE,
}
#: All of them, by the subject of their targets.
SUBJECTS: Final[dict[str, Subject]] = VERBS | SCHEDULER_VERBS
#: `run`, of several targets that have parameters each: see `z4j_bare.each`. Agents that know it offer it with `run`.
RUN_EACH: Final = "run_each"
#: Verbs that make a task, under `Target.new_task_id()`. Cut off in the act, they are repeated once the engine was asked
#: whether that task is there.
MAKES: Final = frozenset({"retry", "retry_with", "run", RUN_EACH})
#: Reads change nothing. The agent asks for them by itself; nobody sends a command.
READS: Final = ("worker", "queues", "peek", "lookup", "advice")
SCHEDULER_READS: Final = ("running", "schedules")

#: What people call each of them, in the order in which they are listed.
WORDS: Final[dict[str, str]] = {
    "retry": "Retry with the original arguments",
    "retry_with": "Retry with changed arguments",
    "run": "Run a registered task with given arguments",
    "cancel": "Cancel a task",
    "requeue": "Requeue a dead letter",
    "move": "Move a task to another queue",
    "peek": "List what waits in a queue",
    "queues": "Measure queues",
    "purge": "Purge a queue",
    "pause": "Pause a queue",
    "resume": "Resume a queue",
    "worker": "Workers, their slots and current tasks",
    "grow": "Add slots to a worker",
    "shrink": "Take slots from a worker",
    "autoscale": "Set the limits of autoscaling",
    "restart_pool": "Restart the pool of a worker",
    "restart": "Restart a worker",
    "stop": "Stop a worker",
    "rate_limit": "Set a rate limit",
    "time_limit": "Set a time limit",
    "lookup": "Ask the engine's store about a task",
    "hello": "Send a hello through the engine",
    "advice": "Say what in the configuration will hurt",
}
SCHEDULER_WORDS: Final[dict[str, str]] = {
    "schedules": "List schedules",
    "running": "Say that the scheduler is alive",
    "schedule_enable": "Enable a schedule",
    "schedule_disable": "Disable a schedule",
    "schedule_edit": "Edit a schedule",
    "schedule_create": "Create a schedule",
    "schedule_delete": "Delete a schedule",
    "schedule_run": "Run a schedule now",
}

F = TypeVar("F", bound=Callable[..., Any])


def verb(note: str = "", *, support: Support = Support.NATIVE) -> Callable[[F], F]:
    """Tell people what a verb of this engine really does: `@verb(note="kills the child process when running")`."""

    def decorate(method: F) -> F:
        method.note = note  # type: ignore[attr-defined]
        method.support = support  # type: ignore[attr-defined]
        return method

    return decorate


def emulated(note: str = "") -> Callable[[F], F]:
    """A verb that the engine has no API for, done through its storage, a subclass or what it keeps private."""
    return verb(note, support=Support.EMULATED)
