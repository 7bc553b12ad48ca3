"""The marks that redaction leaves in a text, such as `[redacted:password]`: which rule hid what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext, gettext_lazy
from z4j_core.redaction import MARK

#: Marks of one text that are told apart; what comes after them stays as it was written.
MOST = 200
#: Where something was hidden. A text in which the brain found something may have marks of both.
WORKER, LATE = gettext_lazy("in the worker"), gettext_lazy("in the brain, or in the worker before")
#: What the detectors call what they find, in words.
_FOUND = {
    "card": gettext_lazy("a card number"),
    "email": gettext_lazy("an e-mail address"),
    "iban": gettext_lazy("a bank account"),
    "jwt": gettext_lazy("a signed token"),
    "private key": gettext_lazy("a private key"),
    "secret": gettext_lazy("what looks random"),
    "ssn": gettext_lazy("a social security number"),
    "token": gettext_lazy("a service's token"),
}
_MARK = re.compile(
    rf"{MARK.pattern}|(?<![\w.])(?P<shape>(?:str|bytes|bytearray|list|dict|tuple|set|frozenset)\[\d{{1,12}}\])"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was hidden before it was kept. `label` stands in its place, `rule` says why."""

    label: str
    rule: str


def split(text: str) -> Iterator[str | Mark]:
    """The text in its order: what can be read, and the marks in between."""
    at = 0
    for number, found in enumerate(_MARK.finditer(text)):
        if number >= MOST:
            break
        if found.start() > at:
            yield text[at : found.start()]
        yield _told(found)
        at = found.end()
    if at < len(text):
        yield text[at:]


def told(texts: Iterable[str]) -> list[tuple[str, int]]:
    """The rules that hid something in these texts, and how often, the busiest first."""
    found = Counter(part.rule for text in texts for part in split(text) if isinstance(part, Mark))
    return found.most_common()


def _told(found: re.Match[str]) -> Mark:
    if shape := found["shape"]:
        return Mark(shape, gettext("told by its shape alone"))
    rule = found["rule"]
    if found[0] == f"[{rule}]":
        if rule in _FOUND:
            return Mark(rule, gettext("recognised as %(what)s") % {"what": _FOUND[rule]})
        return Mark(gettext("hidden"), gettext("a name that speaks of a secret"))
    return Mark(rule, gettext("the rule %(rule)s") % {"rule": rule})
