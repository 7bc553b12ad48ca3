"""What redaction has to know of a task's function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from z4j_core.asked import Asked, asked_by

#: Given by the engine, never among the arguments of a message.
BOUND: Final = ("self", "cls")


class Parameters(tuple[str, ...]):
    """The names of a function's positional parameters, and what its task asks of redaction. What goes beyond the names
    has none.
    """

    asked: Asked | None = None

    @classmethod
    def of(cls, function: Callable[..., Any], *, given: int = 0) -> Parameters:
        """Read once per function. One without a readable signature has no names.
        `given`: so many of the first the engine fills.
        """
        if isinstance(function, FunctionType):
            return _known(function, given)
        return _read(function, given)


@functools.lru_cache(maxsize=2000)
def _known(function: FunctionType, given: int) -> Parameters:
    return _read(function, given)


def _read(function: Callable[..., Any], given: int) -> Parameters:
    names: list[str] = []
    try:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        found = inspect.signature(function).parameters.values()
        names = [parameter.name for parameter in found if parameter.kind in kinds]
    except (TypeError, ValueError):
        pass
    known = Parameters((names[1:] if names[:1] and names[0] in BOUND else names)[given:])
    known.asked = asked_by(function)
    return known
