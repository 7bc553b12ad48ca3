"""The functions that may be put on a schedule by name. RQ registers none, and would import whatever it is told.

Known are those that a loaded module has made a job of with RQ's decorator, those that this scheduler sends already, and
those that a worker of this host has run: `z4j_rq` writes these down. Nothing else is scheduled because of its name.
"""

from __future__ import annotations

import json
import pickletools
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Final

from rq.job import UNEVALUATED, Job
from z4j_core.redaction import Parameters
from z4j_core.safety import guard
from z4j_core.scheduler import Store

#: Where `z4j_rq` writes down what ran here.
_SEEN: Final = "rq.function."
_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_LONGEST: Final = 255
#: Words of a pickle up to the first string in a tuple: its protocol, a frame, a mark, the string.
_FIRST_WORDS: Final = 4


def is_known(name: str, sent: Iterable[str], state: Store) -> bool:
    """`sent`: the functions that the scheduler sends."""
    if not name:
        return False
    if name in set(sent) or state.get(_SEEN + name) is not None:
        return True
    with guard("rqscheduler.decorated"):
        return name in set(_decorated())
    return False


def parameters(name: str) -> Parameters:
    """Of the function, where it is imported: nothing is, to find out."""
    module, _, attribute = name.rpartition(".")
    function = getattr(sys.modules.get(module), attribute, None)
    return Parameters.of(function) if callable(function) else Parameters()


def _decorated() -> Iterator[str]:
    """RQ's decorator puts `delay` on the function."""
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            attributes = getattr(value, "__dict__", None) if type(value).__name__ == "function" else None
            delay = attributes.get("delay") if attributes else None
            if getattr(delay, "__module__", None) == "rq.decorators":
                yield f"{value.__module__}.{value.__qualname__}"


def function_of(job: Job) -> str:
    """The function of a job; its body stays closed."""
    if job._func_name is not UNEVALUATED:
        return str(job.func_name or "")
    return named_in(job.data, job.description or "")


def named_in(body: bytes, description: str) -> str:
    """The function, read from the first words of a job's body: opening a pickle could run any code."""
    with suppress(Exception):
        if body.startswith(b"["):
            return str(json.loads(body)[0])
        for word, value, _ in islice(pickletools.genops(body), _FIRST_WORDS):
            if word.name.endswith("UNICODE") and isinstance(value, str):
                return value
    described = description.partition("(")[0]
    return described if len(described) <= _LONGEST and _NAME.fullmatch(described) else ""
