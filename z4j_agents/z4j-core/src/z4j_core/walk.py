"""One bounded pass over one value: how redaction reads what it is given without running anybody's code."""

from __future__ import annotations

import datetime
import decimal
import enum
import functools
import pathlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from z4j_core import secret_text
from z4j_core.asked import DROP, KEEP, MASK, Asked
from z4j_core.kinds import MISSING, declared, is_kind, model, name_of, qualified, size, stored
from z4j_core.marks import MARK
from z4j_core.policy import Mode
from z4j_core.rules import NO_RULES, Rules
from z4j_core.secret_names import PAIR_NAMES, PAIR_VALUES, is_secret, stands_before
from z4j_core.secret_phrases import REDACTED

CUT: Final = "…"
MAX_DEPTH: Final = 32
MAX_NODES: Final = 1000
#: Text that is searched in one value; past it strings are told by their shape.
MAX_SCANNED: Final = 32 * 1024
#: Searched beyond a cut, so that a secret which crosses it is still seen whole.
OVERLAP: Final = 1024
#: Characters of a key that may be a name.
LONGEST_NAME: Final = 64
#: Characters of a mark.
LONGEST_MARK: Final = 80
#: Room for a key, which is short enough: its nodes are bounded.
NO_LIMIT: Final = 1 << 30

_PLAIN: Final = (
    decimal.Decimal, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, uuid.UUID,
    pathlib.PurePosixPath, pathlib.PosixPath, pathlib.PureWindowsPath,
)  # fmt: skip
_BRACKETS: Final = ((list, "[", "]"), (tuple, "(", ")"), (set, "{", "}"), (frozenset, "{", "}"))
_LONGEST_PAIR_NAME: Final = max(map(len, PAIR_NAMES))


class Full(Exception):
    """Enough has been told."""


class Walk:
    """One pass over one value, as text in `parts`. It stops by itself: depth, nodes and text searched are bounded, and
    past `limit` characters it raises Full. Values are told, without secrets, in the mode `redact` alone.
    """

    __slots__ = ("limit", "nodes", "parts", "room", "rules", "scanned", "tells", "was_cut", "weight")

    def __init__(self, mode: Mode, limit: int, rules: Rules = NO_RULES) -> None:
        self.tells = mode is Mode.REDACT
        self.limit = limit
        self.rules = rules or None
        self.weight = rules.weight
        self.nodes = 0
        self.scanned = 0
        self.was_cut = False
        self.parts: list[str] = []
        self.room = limit

    def tell(self, part: str) -> None:
        self.parts.append(part)
        self.room -= len(part)
        if self.room < 0:
            raise Full

    def arguments(self, args: Sequence[Any], names: Sequence[str] | None, asked: Asked | None = None) -> None:
        """`names` None: they are not known. Of those that are, what goes beyond them is told by its shape."""
        self.tell("(")
        for position, arg in enumerate(args):
            if position:
                self.tell(", ")
            if names is None:
                self.value(arg, 1)
            elif position >= len(names):
                self.tell(self.shape(arg))
            elif told := self._asked(names[position], arg, asked):
                self.tell(f"[redacted:{names[position][:LONGEST_NAME]}]" if told == REDACTED else told)
            else:
                self.value(arg, 1)
        self.tell(",)" if len(args) == 1 else ")")

    def keywords(self, kwargs: Mapping[str, Any], asked: Asked | None = None) -> None:
        """As a dictionary; of some names the task itself asks something."""
        self.nodes += 1
        self._dict(dict(kwargs), 0, asked)

    def _asked(self, name: str, arg: Any, asked: Asked | None) -> str:
        """What is told of an argument because its task asks so; "" when it is told like any other."""
        wish = asked.of(str.__str__(name)) if asked is not None else ""
        if wish == DROP:
            return f"[redacted:{name[:LONGEST_NAME]}]"
        return self._named(name, arg, kept=wish == KEEP) or (self.shape(arg) if wish == MASK else "")

    def _named(self, name: Any, value: Any, *, kept: bool = False) -> str:
        """What is told instead of the value of a name; "" when it may be looked at."""
        name = str.__str__(name)
        if not kept and is_secret(name, value):
            return REDACTED
        return self.rules.named(name) if self.rules is not None else ""

    def is_full(self) -> bool:
        """Nothing more is searched."""
        return self.nodes >= MAX_NODES or self.scanned > MAX_SCANNED

    def joined(self, values: Sequence[Any], depth: int = 1) -> None:
        """Values side by side. Hidden is the second of a pair whose first is the name of a secret, and what follows an
        option that takes one, as in `["psql", "--password", "hunter2"]`.
        """
        hidden = ""
        for position, value in enumerate(values):
            if position:
                self.tell(", ")
            if hidden:
                self.tell(hidden)
                hidden = ""
                continue
            self.value(value, depth)
            if position + 1 < len(values) and (name := name_of(value)):
                behind, of_pair = values[position + 1], position == 0 and len(values) == 2
                if stands_before(name, name_of(behind), of_pair=of_pair):
                    hidden = self._named(name, behind)

    def value(self, value: Any, depth: int = 0) -> None:
        if leaf := self._leaf(value, depth):
            self.tell(leaf)
            return
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            self.was_cut = True
            self.tell(CUT)
        elif is_kind(value, dict):
            self._dict(value, depth)
        elif is_kind(value, (list, tuple, set, frozenset)):
            self._items(value, depth)
        elif not self.tells:
            if _is_leaf(value):
                self.tell(self.shape(value))
            else:
                self._object(value, depth)
        else:
            self._scalar(value, depth)

    def _leaf(self, value: Any, depth: int) -> str:
        """A value of one of the usual kinds. Empty: it is of another kind, or too many or too deep."""
        if self.nodes >= MAX_NODES or depth > MAX_DEPTH:
            return ""
        kind = type(value)
        if kind is str:
            told = f"str[{len(value)}]"
            if self.tells:
                told = repr(self.plain(value))
        elif kind is int:
            told = self._number(value) if self.tells else "int"
        elif kind is float:
            told = repr(value) if self.tells else "float"
        elif value is None or kind is bool:
            told = repr(value)
        else:
            return ""
        self.nodes += 1
        return told

    def _scalar(self, value: Any, depth: int) -> None:
        if is_kind(value, enum.Enum):
            self._object(value, depth)
        elif is_kind(value, str):
            self.tell(repr(self.plain(value)))
        elif is_kind(value, (bytes, bytearray)):
            self.tell(self._bytes(value))
        elif is_kind(value, (int, float, complex)):
            self.tell(self._number(value))
        elif type(value) in _PLAIN:
            self.tell(f"{type(value).__name__}({self.plain(str(value))!r})")
        else:
            self._object(value, depth)

    def shape(self, value: Any) -> str:
        """What a value is, not what it says."""
        if value is None or is_kind(value, bool):
            return repr(value)
        if is_kind(value, str) and not is_kind(value, enum.Enum):
            return f"str[{str.__len__(value)}]"
        if is_kind(value, (bytes, bytearray)):
            return f"bytes[{size(value)}]"
        if is_kind(value, (dict, list, tuple, set, frozenset)):
            return f"{type(value).__name__}[{size(value)}]"
        return qualified(type(value))

    def plain(self, text: str) -> str:
        """Text without its secrets, cut at the limit."""
        size = str.__len__(text)
        if self.scanned > MAX_SCANNED:
            self.was_cut = True
            return self.shape(text)
        if size <= self.limit:
            self.scanned += size * self.weight
            return self.redact(str.__str__(text))
        window = str.__getitem__(text, slice(0, self.limit + OVERLAP))
        self.scanned += len(window) * self.weight
        clean = self.redact(window)
        if size > len(window):
            clean = _head(clean, max(len(clean) - OVERLAP, 0))
            self.was_cut = True
            return cut(clean, self.limit) if len(clean) > self.limit else clean + CUT
        return clean

    def redact(self, text: str) -> str:
        return self.rules.redact(text) if self.rules is not None else secret_text.redact(text)

    def _key(self, key: Any) -> str:
        """A key may carry data itself; where values are not told only what looks like a name is."""
        if self.tells:
            return self._apart(key)
        plain = str.__getitem__(key, slice(0, LONGEST_NAME)) if is_kind(key, str) else ""
        return repr(plain) if _is_name(plain) and self.redact(plain) == plain else self.shape(key)

    def _apart(self, key: Any) -> str:
        """A key of any other kind, as text."""
        parts, room = self.parts, self.room
        self.parts, self.room = [], NO_LIMIT
        try:
            self.value(key, MAX_DEPTH)
            return "".join(self.parts)
        finally:
            self.parts, self.room = parts, room

    def _dict(self, value: dict[Any, Any], depth: int, asked: Asked | None = None) -> None:
        self.tell("{")
        # Each tells something: no more of them have room.
        items = list(islice(dict.items(value), max(self.room, 10) + 1))
        hidden = self._names_a_secret(items)
        plain = asked is None and self.rules is None
        comma = ""
        for key, item in items:
            # The usual short keys come again and again: what they are is known.
            if plain and type(key) is str and len(key) < LONGEST_NAME and not self.is_full():
                told, may_be_secret = _known(key, self.tells)
                if self.tells:
                    self.nodes += 1
                    self.scanned += len(key)
                mark = REDACTED if may_be_secret and is_secret(key, item) else ""
            else:
                told, name = self._key(key), name_of(key)
                mark = self._asked(name, item, asked) if name else ""
            told = f"{comma}{told}: "
            comma = ", "
            if mark:
                self.tell(told + mark)
            elif hidden and name_of(key).lower() in PAIR_VALUES:
                self.tell(told + hidden)
            elif leaf := self._leaf(item, depth + 1):
                self.tell(told + leaf)
            else:
                self.tell(told)
                self.value(item, depth + 1)
        self.tell("}")

    def _names_a_secret(self, items: list[tuple[Any, Any]]) -> str:
        """What hides the value of a pair in disguise, `{"name": "password", "value": ...}`, that speaks of a secret."""
        for key, name in items:
            said = name_of(key) if not is_kind(key, str) or str.__len__(key) <= _LONGEST_PAIR_NAME else ""
            if said.lower() in PAIR_NAMES and (called := name_of(name)) and (told := self._named(called, "")):
                return told
        return ""

    def _items(self, value: Any, depth: int) -> None:
        fields = getattr(type(value), "_fields", None)
        if is_kind(value, tuple) and isinstance(fields, tuple):
            self._fields(type(value).__name__, zip(fields, tuple.__iter__(value), strict=False), depth)
            return
        base, opening, closing = next(each for each in _BRACKETS if is_kind(value, each[0]))
        self.tell(opening)
        many = list(base.__iter__(value)) if size(value) <= MAX_NODES else self._first(base.__iter__(value))
        self.joined(many, depth + 1)
        self.tell(",)" if base is tuple and size(value) == 1 else closing)

    def _first(self, items: Iterator[Any]) -> list[Any]:
        self.was_cut = True
        return list(islice(items, MAX_NODES))

    def _fields(self, name: str, fields: Iterator[tuple[str, Any]], depth: int) -> None:
        self.tell(f"{name}(")
        for position, (field, item) in enumerate(fields):
            self.tell(f"{', ' if position else ''}{field}=")
            if told := self._named(field, item):
                self.tell(told)
            else:
                self.value(item, depth + 1)
        self.tell(")")

    def _bytes(self, value: bytes | bytearray) -> str:
        kind = bytes if is_kind(value, bytes) else bytearray
        head = bytes(kind.__getitem__(value, slice(0, self.limit + OVERLAP)))  # type: ignore[index]
        try:
            text = head.decode()
        except UnicodeDecodeError:
            return f"<bytes {size(value)}>"
        # With a zero in between nothing looks like what it is: UTF-16, or no text at all.
        told = len(head) == size(value) and "\0" not in text
        return f"b{self.plain(text)!r}" if told else f"<bytes {size(value)}>"

    def _number(self, value: Any) -> str:
        if type(value) is int and -(10**12) < value < 10**12:
            return repr(value)
        if not is_kind(value, int):
            return float.__repr__(value) if is_kind(value, float) else complex.__repr__(value)
        if (bits := int.bit_length(value)) > 256:
            return f"<int of {bits} bits>"
        digits = int.__repr__(value)
        return "[card]" if len(digits) > 12 and secret_text.is_card(digits) else digits

    def _object(self, value: Any, depth: int) -> None:
        kind = type(value)
        if is_kind(value, enum.Enum):
            self.tell(f"<{kind.__name__}.{value._name_}>")
        elif is_kind(value, BaseException):
            args = BaseException.args.__get__(value)  # type: ignore[attr-defined]
            self.tell(f"{kind.__name__}(")
            self.joined(args, depth + 1)
            self.tell(")")
        elif names := declared(kind):
            found = ((name, item) for name in names if (item := stored(value, name)) is not MISSING)
            self._fields(kind.__name__, found, depth)
        else:
            self.tell(model(value) or f"<{qualified(kind)}>")


@functools.lru_cache(maxsize=4096)
def _known(key: str, tells: bool) -> tuple[str, bool]:
    """A short key as text, where no project has rules, and whether it may be the name of a secret."""
    shape = repr(key) if _is_name(key) else f"str[{len(key)}]"
    return repr(secret_text.redact(key)) if tells else shape, is_secret(key)


@functools.lru_cache(maxsize=4096)
def _is_name(key: str) -> bool:
    return (
        len(key) < LONGEST_NAME
        and key.replace("-", "_").replace(".", "_").isidentifier()
        and secret_text.redact(key) == key
    )


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else _head(text, limit - len(CUT)) + CUT


def cut_middle(text: str, limit: int) -> str:
    """The ends of a traceback say most."""
    if len(text) <= limit:
        return text
    half = (limit - 5) // 2
    start = len(text) - half
    mark = _mark_across(text, start)
    return f"{_head(text, half)}\n{CUT}\n{text[mark.end() if mark else start :]}"


def _head(text: str, length: int) -> str:
    """So much of the beginning, without the half of a mark: that would be taken for a value."""
    mark = _mark_across(text, length)
    return text[: mark.start() if mark else length]


def _mark_across(text: str, place: int) -> re.Match[str] | None:
    begins = text.rfind("[", max(place - LONGEST_MARK, 0), place)
    mark = MARK.match(text, begins) if begins >= 0 else None
    return mark if mark and mark.end() > place else None


def _is_leaf(value: object) -> bool:
    return is_kind(value, (str, bytes, bytearray, int, float, complex)) or type(value) in _PLAIN
