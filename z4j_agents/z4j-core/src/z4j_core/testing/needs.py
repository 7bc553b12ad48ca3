"""Which tests of the suites concern an adapter: those of the verbs it defines and of the lives its engine has.

A test that does not concern it is not there, rather than skipped. What is left out because an adapter has no verb is
still held against it: the verb must answer `unsupported`, and every verb it has must be proved by some test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

from z4j_core.adapter import Adapter

F = TypeVar("F", bound=Callable[..., Any])

#: What not every engine's tasks can go through: an expiry, a name no worker knows, a killed process that the engine
#: itself tells of, a delay, more attempts than one, being stopped while they run, an original in the agent's vault.
LIVES = frozenset({"expires", "unknown_task", "told_of_death", "delay", "retries", "stopped_running", "vault"})


def proves(*names: str) -> Callable[[F], F]:
    """This test shows the effect of these verbs or reads: it is there when the adapter defines all of them."""

    def mark(test: F) -> F:
        test.proves = names  # type: ignore[attr-defined]
        return test

    return mark


def needs(*lives: str) -> Callable[[F], F]:
    """This test is about something that an engine may not have; see `LIVES`."""
    assert set(lives) <= LIVES, lives

    def mark(test: F) -> F:
        test.needs = lives  # type: ignore[attr-defined]
        return test

    return mark


class Fitted:
    """Base of the suites. A subclass names its `engine_class` and what its engine `lacks`, each with the reason."""

    engine_class: ClassVar[type[Adapter]]
    lacks: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        if "engine_class" not in vars(cls):
            return
        assert set(cls.lacks) <= LIVES, cls.lacks
        for name, test in list(cls._tests()):
            undefined = [one for one in getattr(test, "proves", ()) if not cls.engine_class.defines(one)]
            lacking = [one for one in getattr(test, "needs", ()) if one in cls.lacks]
            if undefined or lacking:
                setattr(cls, name, None)

    @classmethod
    def _tests(cls) -> Iterator[tuple[str, Callable[..., Any]]]:
        for name in dir(cls):
            test = getattr(cls, name)
            if name.startswith("test_") and callable(test):
                yield name, test

    @classmethod
    def proved(cls) -> set[str]:
        return {one for _, test in cls._tests() for one in getattr(test, "proves", ())}
