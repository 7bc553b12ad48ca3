"""The marks that redaction leaves in a text, such as `[redacted:password]`: which rule hid what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: Marks of one text that are told apart; what comes after them stays as it was written.
MOST = 200
#: What the detectors call what they find, in words.
_FOUND = {
    "card": "a card number",
    "email": "an e-mail address",
    "iban": "a bank account",
    "jwt": "a signed token",
    "private key": "a private key",
    "secret": "what looks random",
    "ssn": "a social security number",
    "token": "a service's token",
    "url": "a secret address",
    "webhook": "a secret address",
}
_MARK = re.compile(
    r"\[redacted(?::(?P<rule>[^\]\s]{1,70}))?\]"
    r"|\[(?P<found>[a-z]{2,12}(?: key)?)\]"
    r"|(?<![\w.])(?P<shape>(?:str|bytes|bytearray|list|dict|tuple|set|frozenset)\[\d{1,12}\])"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was hidden before it came here. `label` stands in its place, `rule` says why, `where` by whom."""

    label: str
    rule: str
    where: str = "in the worker"


def split(text: str) -> Iterator[str | Mark]:
    """The text in its order: what can be read, and the marks in between."""
    at = 0
    for number, found in enumerate(_MARK.finditer(text)):
        if number >= MOST:
            break
        mark = _told(found)
        if mark is None:
            continue
        if found.start() > at:
            yield text[at : found.start()]
        yield mark
        at = found.end()
    if at < len(text):
        yield text[at:]


def told(texts: Iterable[str]) -> list[tuple[str, int]]:
    """The rules that hid something in these texts, and how often, the busiest first."""
    found = Counter(part.rule for text in texts for part in split(text) if isinstance(part, Mark))
    return found.most_common()


def _told(found: re.Match[str]) -> Mark | None:
    if shape := found["shape"]:
        return Mark(shape, "told by its shape alone")
    if word := found["found"]:
        return Mark(word, f"recognised as {_FOUND[word]}") if word in _FOUND else None
    if rule := found["rule"]:
        return Mark(rule, f"the rule {rule}")
    return Mark("hidden", "a name that speaks of a secret")
