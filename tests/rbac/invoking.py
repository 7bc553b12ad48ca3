"""How calls of actions are registered, so that a test can walk them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cast import Cast
from z4j_brain.rbac.actor import Actor

Invocation = Callable[[Cast, Actor], Any]
INVOCATIONS: dict[str, Invocation] = {}


def invocation(name: str) -> Callable[[Invocation], Invocation]:
    def register(function: Invocation) -> Invocation:
        INVOCATIONS[name] = function
        return function

    return register
