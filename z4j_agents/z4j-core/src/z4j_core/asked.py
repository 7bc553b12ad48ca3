"""What a task asks of redaction by itself: `@z4j_core.redact(...)`, kept on its function.

A task can only ask for less to be told. The one exception is an argument that it keeps: its name alone does not hide it
then, where values are told at all; whatever looks like a secret is hidden as ever, and so is what a project's rule or a
stricter mode hides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final, TypeVar

from z4j_core.policy import Mode

T = TypeVar("T")

DROP: Final = "drop"
MASK: Final = "mask"
SHAPE: Final = "shape"
KEEP: Final = "keep"
_OF_ARGUMENTS: Final = (DROP, MASK, KEEP)
_OF_RESULTS: Final = (SHAPE, DROP, KEEP)
_MARK: Final = "z4j_redact"
#: How many wrappers are looked through.
_DEEPEST: Final = 20
#: Where engines keep the function of a task.
_FUNCTIONS: Final = ("__wrapped__", "func", "fn", "original_func", "coroutine", "run")


@dataclass(frozen=True, slots=True)
class Asked:
    """By the names of arguments, as pairs; of results; and whether originals are to be sealed."""

    args: tuple[tuple[str, str], ...] = ()
    result: str = KEEP
    sealed: bool = False

    @property
    def mode(self) -> Mode:
        return Mode.SEAL if self.sealed else Mode.REDACT

    def of(self, name: str) -> str:
        """What is asked of an argument; "" when nothing is."""
        return next((asked for known, asked in self.args if known == name), "")


def redact(*, args: Mapping[str, str] | None = None, result: str = KEEP, sealed: bool = False) -> Callable[[T], T]:
    """Say what leaves of a task's arguments and results.

    `args`, by the names of the function's parameters: "drop" tells that there is one and no more, "mask" tells its
    type and size, "keep" tells it although it is called like a secret. `result`: "shape" tells its type and size,
    "drop" nothing, "keep" is as the mode has it. `sealed`: originals are sealed, as in the mode `seal`.

    Above or below the engine's decorator: what that makes of a function keeps the function, which is what is marked.
    Raises ValueError for words that mean nothing, and TypeError for what cannot be marked, as the module is imported:
    with a typing error, what was to be hidden would leave.
    """
    for name, wish in (args or {}).items():
        if wish not in _OF_ARGUMENTS:
            raise ValueError(f"{name}: an argument is one of {', '.join(_OF_ARGUMENTS)}, not {wish!r}.")
    if result not in _OF_RESULTS:
        raise ValueError(f"A result is one of {', '.join(_OF_RESULTS)}, not {result!r}.")
    asked = Asked(tuple(sorted((args or {}).items())), result, bool(sealed))

    def decorate(task: T) -> T:
        kept = [getattr(task, name, None) for name in _FUNCTIONS] if not isinstance(task, FunctionType) else []
        if not sum(_mark(one, asked) for one in (task, *kept) if one is not None):
            raise TypeError(f"{task!r} cannot be marked: write @redact below the other decorators.")
        return task

    return decorate


def _mark(one: object, asked: Asked) -> bool:
    with suppress(AttributeError, TypeError):
        setattr(one, _MARK, asked)
        return True
    return False


def function_of(task: Any) -> Any:
    """The function that an engine's object for a task keeps; the object itself where it keeps none."""
    kept = (getattr(task, name, None) for name in _FUNCTIONS)
    return task if isinstance(task, FunctionType) else next((one for one in kept if callable(one)), task)


def asked_by(*marked: object) -> Asked | None:
    """What one of these asks, or a function that it wraps."""
    for one in marked:
        for _ in range(_DEEPEST):
            found = getattr(one, _MARK, None)
            if type(found) is Asked:
                return found
            one = getattr(one, "__wrapped__", None)
            if one is None:
                break
    return None
