"""A project's own rules at work: what they hide in names and texts, beside what is hidden anyway."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from z4j_core import secret_text
from z4j_core.marks import MARK
from z4j_core.policy import NAME, Policy, Rule, compiled, covers
from z4j_core.secret_names import shortened, words

#: Different finds of one rule in one text that are followed up.
MOST_FINDS: Final = 50
#: So little of what a rule found may be left.
_PIECE: Final = 4
_KNOWN: Final = 4096


class Rules:
    """Those that hold for one task. Empty ones are false."""

    __slots__ = ("_known", "_names", "_stems", "_texts", "weight")

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        marked = [(f"[redacted:{rule['id']}]", rule["kind"], rule["match"], compiled(rule)) for rule in rules]
        self._names = [(mark, pattern) for mark, kind, _, pattern in marked if kind == NAME]
        self._stems = [max(words(match), key=len) for _, kind, match, _ in marked if kind == NAME]
        self._texts = [(mark, pattern, _safe(pattern)) for mark, kind, _, pattern in marked if kind != NAME]
        self._known: dict[str, str] = {}
        #: By how much sooner a value with much text is told by its shape: each rule searches all of it.
        self.weight = 1 + len(self._texts) // 8

    def __bool__(self) -> bool:
        return bool(self._names or self._texts)

    def named(self, name: str) -> str:
        """What stands for the value of this name; "" when no rule hides it."""
        if not self._names:
            return ""
        name = shortened(name)
        known = self._known.get(name)
        if known is None:
            said = " ".join(words(name))
            known = next((mark for mark, pattern in self._names if pattern.search(said)), "")
            if len(self._known) < _KNOWN:
                self._known[name] = known
        return known

    def redact(self, text: str) -> str:
        """The text without its secrets, and without what the rules hide in it. Safe to be redacted again."""
        told = secret_text.redact(text)
        if self._names and self._may_name_one(text):
            told = secret_text.named(told, self.named)
        before = told
        for mark, pattern, safe in self._texts:
            if pattern.search(text):
                told = _without(text, told, mark, pattern, safe)
        # What stood beside something that is hidden now may look like a secret by itself.
        return told if told is before else secret_text.redact(told)

    def _may_name_one(self, text: str) -> bool:
        if not text.isascii():
            return True
        low = text.lower()
        return any(stem in low for stem in self._stems)


NO_RULES: Final = Rules()


def of(policy: Policy, task: str) -> Rules:
    """The rules of a policy for a task. Raises ValueError for one that cannot be compiled."""
    found = tuple((rule["id"], rule["kind"], rule["match"]) for rule in policy["rules"] if covers(rule["tasks"], task))
    return _shared(found) if found else NO_RULES


@functools.lru_cache(maxsize=64)
def _shared(found: tuple[tuple[str, str, str], ...]) -> Rules:
    return Rules([Rule(id=name, kind=kind, match=match, tasks="") for name, kind, match in found])


def _safe(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """That finds the pattern and marks: what is hidden already is passed over, not hidden twice."""
    marks = MARK.pattern.replace("?P<rule>", "?:")
    return re.compile(f"({marks})|{pattern.pattern}")


def _without(text: str, told: str, mark: str, pattern: re.Pattern[str], safe: re.Pattern[str]) -> str:
    """`told` without what the pattern finds. Where something else has hidden a part of what it found in `text`, the
    rest of that might say too much, and all of it goes.
    """
    finds = set(islice((found[0] for found in pattern.finditer(text)), MOST_FINDS + 1))
    torn = [find for find in finds if find not in told]
    clean = safe.sub(lambda found: found[1] or mark, told)
    if torn and (len(finds) > MOST_FINDS or any(f[:_PIECE] in clean or f[-_PIECE:] in clean for f in torn)):
        return mark
    return clean
