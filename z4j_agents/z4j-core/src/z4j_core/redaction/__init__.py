"""What leaves a process about arguments, results and errors: text without secrets, made where the values live.

Three modes. `shapes` tells types, sizes and the names of keys, never a value. `redact` tells values, without what is
called like a secret or looks like one. `seal` tells what `shapes` tells. None of them runs code of anybody's class,
such as `__repr__`: it can leak, block or raise. An argument by position is judged by its name in the signature.

Which mode holds, and which of a project's rules, is asked for each task: the worker's owner, the environment's policy
and the task itself all have a say, and the strictest holds. A text that had to be cut ends in "…", and the caller
learns of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from z4j_core import rules, safety
from z4j_core.asked import Asked
from z4j_core.marks import MARK, RULES_VERSION
from z4j_core.policy import Mode, Policy, effective
from z4j_core.redaction.parameters import Parameters
from z4j_core.redaction.telling import MAX_CAUSES, Telling
from z4j_core.wire import MAX_MESSAGE, MAX_RESULT, Error, Reason

__all__ = ["MARK", "MAX_CAUSES", "RULES_VERSION", "Parameters", "Redactor", "Telling"]

#: Tasks whose verdicts are remembered.
_KNOWN: Final = 2000


class Redactor:
    """Knows for each task what holds. `mode`: what the worker's owner chose, None if nothing. `policy`: the
    environment's, None while none has been heard; it is asked for each event, and must be cheap.

    Asked without a task it tells what may be told of any task.
    """

    def __init__(self, mode: str | None = Mode.SHAPES, policy: Callable[[], Policy | None] = lambda: None) -> None:
        if mode is not None and mode not in list(Mode):
            raise ValueError(f"A redaction mode is one of {', '.join(Mode)}.")
        self._owner = mode
        self._policy = policy
        self._asked: dict[str, Asked] = {}
        #: By task, of the policy beside it: replaced as one.
        self._held: tuple[Policy | None, dict[str, Telling]] = (None, {})

    def of(self, task: str = "", parameters: Sequence[str] | None = None) -> Telling:
        """What holds for a task. `parameters` as `Parameters.of` found them, where they are known here: what the task
        itself asks for is remembered from then on.
        """
        policy, held = self._policy(), self._held
        if held[0] is not policy or len(held[1]) > _KNOWN:
            held = self._held = (policy, {})
        asked = getattr(parameters, "asked", None)
        if asked is not None and self._asked.get(task) is not asked and len(self._asked) <= _KNOWN:
            self._asked[task] = asked
            held[1].pop(task, None)
        found = held[1].get(task)
        if found is None:
            asked = asked or self._asked.get(task)
            found = self._find(policy, task, asked)
            if self._asked.get(task) is asked:  # else another thread has just learned what the task asks
                held[1][task] = found
        return found

    def unsure(self) -> Telling:
        """What may be told of a task that only the brain gives a name to: it could name one that asks for less."""
        return Telling(Mode.SHAPES)

    def _find(self, policy: Policy | None, task: str, asked: Asked | None) -> Telling:
        try:
            mode = effective(policy, self._owner, task, asked.mode if asked is not None else None)
            return Telling(mode, rules.of(policy, task) if policy is not None else rules.NO_RULES, asked)
        except Exception as error:
            safety.record("redaction.policy", error)
            return Telling(Mode.SHAPES, rules.NO_RULES, asked)

    @property
    def mode(self) -> Mode:
        """What holds where nobody says for which task."""
        return self.of().mode

    def call(
        self, signature: Sequence[str] | None, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[str, str, list[str]]:
        return self.of().call(signature, args, kwargs)

    def value(self, value: object, limit: int = MAX_RESULT) -> tuple[str, bool]:
        return self.of().value(value, limit)

    def text(self, text: str, limit: int = MAX_MESSAGE) -> str:
        return self.of().text(text, limit)

    def error(self, error: BaseException, reason: str = Reason.EXCEPTION) -> Error:
        return self.of().error(error, reason)
