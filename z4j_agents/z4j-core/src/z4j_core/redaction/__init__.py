"""What leaves a process about arguments, results and errors: text without secrets, made where the values live.

Two modes. `shapes` (the default) tells types, sizes and the names of keys, never a value. `redact` tells values,
without what is called like a secret or looks like one. Neither runs code of anybody's class, such as `__repr__`: it can
leak, block or raise. An argument by position is judged by its name in the signature.

A text that had to be cut ends in "…", and the caller learns of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from z4j_core import secret_text
from z4j_core.redaction.marks import MARK, RULES_VERSION
from z4j_core.tracebacks import frames, source_words
from z4j_core.walk import MODES, REDACT, SHAPES, Full, Walk, cut, cut_middle, is_kind, qualified
from z4j_core.wire import MAX_ARGUMENTS, MAX_MESSAGE, MAX_RESULT, MAX_TRACEBACK, Error, Reason

__all__ = ["MARK", "RULES_VERSION", "Parameters", "Redactor"]

MAX_CAUSES: Final = 4

#: Given by the engine, never among the arguments of a message.
_BOUND: Final = ("self", "cls")


class Parameters(tuple[str, ...]):
    """The names of a function's positional parameters. What goes beyond them has no name."""

    __slots__ = ()

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Parameters:
        """Read once per function and kept by the caller. A function without a readable signature has no names."""
        try:
            found = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return cls()
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = [parameter.name for parameter in found if parameter.kind in kinds]
        return cls(names[1:] if names[:1] and names[0] in _BOUND else names)


class Redactor:
    """Turns values into text that may leave. Thread-safe: it keeps nothing."""

    __slots__ = ("mode",)

    def __init__(self, mode: str = SHAPES) -> None:
        if mode not in MODES:
            raise ValueError(f"A redaction mode is one of {', '.join(MODES)}.")
        self.mode = mode

    def call(
        self, signature: Sequence[str] | None, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[str, str, list[str]]:
        """Arguments of a call as two texts, and which of them were cut. `signature` None: the names are not known and
        values are judged by what they look like; an empty one, or more arguments than names: those are told by shape.
        """
        bound = signature and signature[0] in _BOUND and len(signature) > len(args)
        names = signature[1:] if signature and bound else signature
        positional, cut = self._render(lambda walk: walk.arguments(args, names), MAX_ARGUMENTS)
        keyword, cut_too = self._render(lambda walk: walk.value(dict(kwargs)), MAX_ARGUMENTS)
        truncated = [name for name, is_cut in (("args", cut), ("kwargs", cut_too)) if is_cut]
        return positional, keyword, truncated

    def value(self, value: object, limit: int = MAX_RESULT) -> tuple[str, bool]:
        """A value as text, and whether it was cut."""
        return self._render(lambda walk: walk.value(value), limit)

    def text(self, text: str, limit: int = MAX_MESSAGE) -> str:
        """A piece of running text. In `shapes` mode only its size."""
        walk = Walk(self.mode, limit)
        return walk.plain(text) if self.mode == REDACT else walk.shape(text)

    def error(self, error: BaseException, reason: str = Reason.EXCEPTION) -> Error:
        """An exception with its causes: type, message and where it came from. No source lines, no local variables.

        In `shapes` mode the message keeps only words that stand in the source code which raised it: those are not data.
        """
        stack = [f"{self._where(cause)}{qualified(type(cause))}: {self._message(cause)}" for cause in _causes(error)]
        trace = "\n\nThe above exception led to:\n\n".join(reversed(stack))
        return Error(
            type=qualified(type(error))[:255],
            message=cut(self._message(error), MAX_MESSAGE),
            traceback=cut_middle(trace, MAX_TRACEBACK),
            reason=str(reason),
        )

    def _render(self, render: Callable[[Walk], None], limit: int) -> tuple[str, bool]:
        walk = Walk(self.mode, limit)
        try:
            render(walk)
        except Full:
            return cut("".join(walk.parts), limit), True
        return "".join(walk.parts), walk.was_cut

    def _message(self, error: BaseException) -> str:
        args = BaseException.args.__get__(error)  # type: ignore[attr-defined]
        if isinstance(error, OSError) and len(args) >= 2:
            args = tuple(args[:2])
        if self.mode == REDACT:
            if len(args) == 1 and is_kind(args[0], str):
                return self.text(args[0])
            return self._render(lambda walk: walk.joined(args), MAX_MESSAGE)[0]
        words = source_words(error)
        return ", ".join(_told(arg, words) for arg in args[:10])

    def _where(self, error: BaseException) -> str:
        lines = list(frames(error))
        return "Traceback (most recent call last):\n" + "".join(lines) if lines else ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) <= MAX_CAUSES:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _told(arg: Any, known: frozenset[str]) -> str:
    """An exception's argument in `shapes` mode: the words of the source code, and a mark for each run of others."""
    if not is_kind(arg, str):
        return Walk(SHAPES, MAX_MESSAGE).shape(arg)
    out: list[str] = []
    for word in str.__getitem__(arg, slice(0, MAX_MESSAGE)).split():
        told = word if word in known else "[…]"
        if told != "[…]" or out[-1:] != ["[…]"]:
            out.append(told)
    return secret_text.redact(" ".join(out)) if out != ["[…]"] else f"str[{str.__len__(arg)}]"
