"""The body of a job: its function and arguments, as RQ serialised them.

Opening a pickle can run any code. RQ opens it in the process that runs the job and nowhere else, and so does everything
here: in a worker's own process and in the agent's thread the name is read from the pickle's first words, which runs
nothing, and the arguments stay closed. JSON runs nothing and is opened anywhere.
"""

from __future__ import annotations

import pickletools
import re
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from rq.job import UNEVALUATED, Job
from rq.serializers import JSONSerializer

_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_LONGEST: Final = 255
#: Words of a pickle up to the first string in a tuple: its protocol, a frame, a mark, the string.
_FIRST_WORDS: Final = 4


class Closed:
    """In place of a serializer, for jobs that are only looked at: opens nothing, not even what RQ opens on reading."""

    @staticmethod
    def loads(body: bytes) -> Any:
        raise ValueError("it is opened only where the job runs")

    @staticmethod
    def dumps(value: Any) -> bytes:
        raise ValueError("what was not opened is not written")


def runs_nothing(serializer: Any) -> bool:
    """Whether a body can be opened without running code that it names. Of a serializer of the user's nobody knows."""
    return serializer is JSONSerializer or type(serializer) is JSONSerializer


def for_reading(serializer: Any) -> Any:
    """The serializer with which jobs are read where none of them runs."""
    return serializer if runs_nothing(serializer) else Closed


def name_of(job: Job) -> str:
    """The function, for people: from the body, or else from the call that RQ describes the job with."""
    if name := function_of(job):
        return name
    described = (job.description or "").partition("(")[0]
    return described if len(described) <= _LONGEST and _NAME.fullmatch(described) else ""


def function_of(job: Job) -> str:
    """The function as the body names it; "" where that cannot be read. A method of an object has no dot in its name."""
    with suppress(Exception):
        if job._func_name is not UNEVALUATED or runs_nothing(job.serializer):
            return str(job.func_name or "")
        for word, value, _ in islice(pickletools.genops(job.data), _FIRST_WORDS):
            if word.name.endswith("UNICODE") and isinstance(value, str):
                return value
    return ""


def arguments_of(job: Job) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """None where the body is closed or cannot be read."""
    with suppress(Exception):
        if job._args is not UNEVALUATED or runs_nothing(job.serializer):
            return tuple(job.args or ()), dict(job.kwargs or {})
    return None
