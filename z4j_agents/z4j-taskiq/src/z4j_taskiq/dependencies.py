"""Which parameters of a task taskiq fills by itself: its context, and whatever depends on something."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from taskiq import Context, TaskiqDepends

_DEPENDENCY: Final[type[Any]] = type(TaskiqDepends())


def dependencies(function: Callable[..., Any]) -> Callable[[inspect.Parameter], bool]:
    hints: dict[str, Any] = {}
    with suppress(Exception):  # names that are known to a type checker only
        hints = get_type_hints(function, include_extras=True)

    def is_given(parameter: inspect.Parameter) -> bool:
        if isinstance(parameter.default, _DEPENDENCY):
            return True
        hint = hints.get(parameter.name, parameter.annotation)
        if get_origin(hint) is Annotated:
            return any(isinstance(one, _DEPENDENCY) for one in get_args(hint)[1:])
        return hint is Context

    return is_given
