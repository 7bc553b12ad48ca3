"""What leaves of one task: its arguments, results and errors as text, in the mode and by the rules that hold for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from z4j_core.asked import DROP, KEEP, Asked
from z4j_core.kinds import is_kind, qualified
from z4j_core.policy import Mode
from z4j_core.redaction.parameters import BOUND
from z4j_core.rules import NO_RULES, Rules
from z4j_core.tracebacks import frames, source_words
from z4j_core.walk import Full, Walk, cut, cut_middle
from z4j_core.wire import MAX_ARGUMENTS, MAX_MESSAGE, MAX_RESULT, MAX_TRACEBACK, Error, Reason

MAX_CAUSES: Final = 4
_DROPPED: Final = "[redacted:result]"


class Telling:
    """Turns values into text that may leave. Thread-safe: it keeps nothing."""

    __slots__ = ("_asked", "_rules", "mode")

    def __init__(self, mode: Mode, rules: Rules = NO_RULES, asked: Asked | None = None) -> None:
        self.mode = mode
        self._rules = rules
        self._asked = asked

    @property
    def seals(self) -> bool:
        """Whether the original is to travel sealed."""
        return self.mode is Mode.SEAL

    def call(
        self, signature: Sequence[str] | None, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[str, str, list[str]]:
        """Arguments of a call as two texts, and which of them were cut. `signature` None: the names are not known and
        values are judged by what they look like; an empty one, or more arguments than names: those are told by shape.
        """
        bound = signature and signature[0] in BOUND and len(signature) > len(args)
        names = signature[1:] if signature and bound else signature
        positional, cut = self._render(lambda walk: walk.arguments(args, names, self._asked), MAX_ARGUMENTS)
        keyword, cut_too = self._render(lambda walk: walk.keywords(kwargs, self._asked), MAX_ARGUMENTS)
        truncated = [name for name, is_cut in (("args", cut), ("kwargs", cut_too)) if is_cut]
        return positional, keyword, truncated

    def value(self, value: object, limit: int = MAX_RESULT) -> tuple[str, bool]:
        """A value as text, and whether it was cut. What a task returns: its task may ask for less of it."""
        wish = self._asked.result if self._asked is not None else KEEP
        if wish == DROP:
            return _DROPPED, False
        return self._render(lambda walk: walk.value(value), limit, Mode.SHAPES if wish != KEEP else self.mode)

    def text(self, text: str, limit: int = MAX_MESSAGE) -> str:
        """A piece of running text. Where values are not told, only its size."""
        walk = Walk(self.mode, limit, self._rules)
        return cut(walk.plain(text), limit) if walk.tells else walk.shape(text)

    def error(self, error: BaseException, reason: str = Reason.EXCEPTION) -> Error:
        """An exception with its causes: type, message and where it came from. No source lines, no local variables.

        Where values are not told, the message keeps only words that stand in the source code which raised it: those
        are not data.
        """
        stack = [f"{_where(cause)}{qualified(type(cause))}: {self._message(cause)}" for cause in _causes(error)]
        trace = "\n\nThe above exception led to:\n\n".join(reversed(stack))
        return Error(
            type=qualified(type(error))[:255],
            message=cut(self._message(error), MAX_MESSAGE),
            traceback=cut_middle(trace, MAX_TRACEBACK),
            reason=str(reason),
        )

    def _render(self, render: Callable[[Walk], None], limit: int, mode: Mode | None = None) -> tuple[str, bool]:
        walk = Walk(mode or self.mode, limit, self._rules)
        try:
            render(walk)
        except Full:
            return cut("".join(walk.parts), limit), True
        return "".join(walk.parts), walk.was_cut

    def _message(self, error: BaseException) -> str:
        args = BaseException.args.__get__(error)  # type: ignore[attr-defined]
        if isinstance(error, OSError) and len(args) >= 2:
            args = tuple(args[:2])
        if self.mode is Mode.REDACT:
            if len(args) == 1 and is_kind(args[0], str):
                return self.text(args[0])
            return self._render(lambda walk: walk.joined(args), MAX_MESSAGE)[0]
        words = source_words(error)
        return ", ".join(self._told(arg, words) for arg in args[:10])

    def _told(self, arg: Any, known: frozenset[str]) -> str:
        """An exception's argument where values are not told: the words of the source code, and a mark for each run of
        others.
        """
        walk = Walk(Mode.SHAPES, MAX_MESSAGE, self._rules)
        if not is_kind(arg, str):
            return walk.shape(arg)
        words = str.__getitem__(arg, slice(0, MAX_MESSAGE)).split()
        if str.__len__(arg) > MAX_MESSAGE and words:
            words[-1] = ""  # perhaps a part of a word, which is another one
        out: list[str] = []
        for word in words:
            told = word if word in known else "[…]"
            if told != "[…]" or out[-1:] != ["[…]"]:
                out.append(told)
        return walk.redact(" ".join(out)) if out != ["[…]"] else f"str[{str.__len__(arg)}]"


def _where(error: BaseException) -> str:
    lines = list(frames(error))
    return "Traceback (most recent call last):\n" + "".join(lines) if lines else ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) <= MAX_CAUSES:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
