"""Never hurt the host: whatever goes wrong inside our hooks stays inside, is counted, and is logged once per place.

    with guard("celery.received"):
        ...

    @guarded("celery.started")
    def on_started(...): ...

`BaseException` passes: a soft time limit, a shutdown or Ctrl-C belongs to the host.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

logger = logging.getLogger(__name__)

#: How often each place failed in this process.
failures: Counter[str] = Counter()

P = ParamSpec("P")
T = TypeVar("T")


def record(place: str, error: BaseException) -> None:
    """Count one failure; log the first of a place. The message of the error may hold user data and is not logged."""
    failures[place] += 1
    if failures[place] == 1:
        logger.warning("place=%s error=%s further failures here are counted, not logged", place, type(error).__name__)


class guard:  # noqa: N801 - reads as a statement
    """Swallow what the block raises."""

    __slots__ = ("place",)

    def __init__(self, place: str) -> None:
        self.place = place

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        record(self.place, error)
        return True


def guarded(place: str) -> Callable[[Callable[P, T]], Callable[P, T | None]]:
    """A function that answers None instead of raising."""

    def decorate(function: Callable[P, T]) -> Callable[P, T | None]:
        @functools.wraps(function)
        def safe(*args: P.args, **kwargs: P.kwargs) -> T | None:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                record(place, error)
                return None

        return safe

    return decorate
