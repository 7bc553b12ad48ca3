"""What people ask of a schedule, as it is read; and the answers that all three schedulers give alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from z4j_core.scheduler import Answer
from z4j_core.wire import Outcome

from z4j_celerybeat.plans import Refused

IN_CODE: Final = "It is written in the code and would be back with the next start: disable it, or delete it there."


def task_of(params: Mapping[str, Any]) -> str:
    """Of what is to be created. Raises Refused."""
    if not params.get("task"):
        raise Refused("Say which task it is to send.")
    return str(params["task"])


def missing() -> Answer:
    return Answer(Outcome.NOT_FOUND, "Beat has no schedule of that name.")


def exists() -> Answer:
    return Answer(Outcome.FAILED, "There is a schedule of that name already.")


def in_code() -> Answer:
    return Answer(Outcome.UNSUPPORTED, IN_CODE)


def arguments(params: Mapping[str, Any]) -> dict[str, Any]:
    """What of `params` says how the task is sent. Raises Refused."""
    found = {name: params[name] for name in ("args", "kwargs", "queue") if params.get(name) is not None}
    if not isinstance(found.get("args", []), list) or not isinstance(found.get("kwargs", {}), dict):
        raise Refused("Arguments are a list, keyword arguments a dictionary.")
    return found
