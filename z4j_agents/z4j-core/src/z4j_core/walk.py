"""One bounded pass over one value: how redaction reads what it is given without running anybody's code."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import pathlib
import types
import uuid
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from z4j_core import secret_text
from z4j_core.secret_names import is_secret
from z4j_core.secret_text import REDACTED

SHAPES: Final = "shapes"
REDACT: Final = "redact"
MODES: Final = (SHAPES, REDACT)

CUT: Final = "…"
MAX_DEPTH: Final = 32
MAX_NODES: Final = 1000
#: Text that is searched in one value; past it strings are told by their shape.
MAX_SCANNED: Final = 32 * 1024
#: Searched beyond a cut, so that a secret which crosses it is still seen whole.
OVERLAP: Final = 1024
#: Characters of a key that may be a name.
LONGEST_NAME: Final = 64
#: Room for a key, which is short enough: its nodes are bounded.
NO_LIMIT: Final = 1 << 30

_PLAIN: Final = (
    decimal.Decimal, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, uuid.UUID,
    pathlib.PurePosixPath, pathlib.PosixPath, pathlib.PureWindowsPath,
)  # fmt: skip
_BRACKETS: Final = ((list, "[", "]"), (tuple, "(", ")"), (set, "{", "}"), (frozenset, "{", "}"))
_PAIR_NAMES: Final = frozenset({"name", "key", "field", "header", "param", "parameter", "k", "label", "id"})
_PAIR_VALUES: Final = frozenset({"value", "val", "v", "content", "data", "text"})


class Full(Exception):
    """Enough has been told."""


class Walk:
    """One pass over one value, as text in `parts`. It stops by itself: depth, nodes and text searched are bounded, and
    past `limit` characters it raises Full.
    """

    __slots__ = ("limit", "mode", "nodes", "parts", "room", "scanned", "was_cut")

    def __init__(self, mode: str, limit: int) -> None:
        self.mode = mode
        self.limit = limit
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

    def arguments(self, args: Sequence[Any], names: Sequence[str] | None) -> None:
        self.tell("(")
        for position, arg in enumerate(args):
            if position:
                self.tell(", ")
            if names is None:
                self.value(arg, 1)
            elif position >= len(names):
                self.tell(self.shape(arg))
            elif is_secret(names[position], arg):
                self.tell(f"[redacted:{names[position]}]")
            else:
                self.value(arg, 1)
        self.tell(",)" if len(args) == 1 else ")")

    def joined(self, values: Sequence[Any], depth: int = 1) -> None:
        """Values side by side; of a pair whose first is the name of a secret, the second is hidden."""
        hidden = len(values) == 2 and is_kind(values[0], str) and is_secret(values[0], values[1])
        for position, value in enumerate(values):
            if position:
                self.tell(", ")
            if hidden and position == 1:
                self.tell(REDACTED)
            else:
                self.value(value, depth)

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
        elif self.mode == SHAPES:
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
            if self.mode == REDACT:
                told = repr(self.plain(value))
        elif kind is int:
            told = self._number(value) if self.mode == REDACT else "int"
        elif kind is float:
            told = repr(value) if self.mode == REDACT else "float"
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
            return f"bytes[{len(value)}]"
        if is_kind(value, (dict, list, tuple, set, frozenset)):
            return f"{type(value).__name__}[{len(value)}]"
        return qualified(type(value))

    def plain(self, text: str) -> str:
        """Text without its secrets, cut at the limit."""
        size = str.__len__(text)
        if self.scanned > MAX_SCANNED:
            self.was_cut = True
            return self.shape(text)
        if size <= self.limit:
            self.scanned += size
            return secret_text.redact(str.__str__(text))
        window = str.__getitem__(text, slice(0, self.limit + OVERLAP))
        self.scanned += len(window)
        clean = secret_text.redact(window)
        if size > len(window):
            clean = clean[:-OVERLAP]
            self.was_cut = True
            return cut(clean, self.limit) if len(clean) > self.limit else clean + CUT
        return clean

    def _key(self, key: Any) -> str:
        """A key may carry data itself; in `shapes` mode only what looks like a name is told."""
        if self.mode == SHAPES:
            plain = str.__getitem__(key, slice(0, LONGEST_NAME)) if is_kind(key, str) else ""
            return repr(plain) if _is_name(plain) else self.shape(key)
        return self._apart(key)

    def _apart(self, key: Any) -> str:
        """A key of any other kind, as text."""
        parts, room = self.parts, self.room
        self.parts, self.room = [], NO_LIMIT
        try:
            self.value(key, MAX_DEPTH)
            return "".join(self.parts)
        finally:
            self.parts, self.room = parts, room

    def _dict(self, value: dict[Any, Any], depth: int) -> None:
        self.tell("{")
        # Each tells something: no more of them have room.
        items = list(islice(dict.items(value), max(self.room, 10) + 1))
        hidden = _names_a_secret(items[:10])
        comma = ""
        for key, item in items:
            usual = type(key) is str and len(key) < LONGEST_NAME and self.nodes < MAX_NODES
            if usual and self.scanned <= MAX_SCANNED:
                told, may_be_secret = _known(key, self.mode)
                if self.mode == REDACT:
                    self.nodes += 1
                    self.scanned += len(key)
            else:
                told, may_be_secret = self._key(key), is_kind(key, str)
            told = f"{comma}{told}: "
            comma = ", "
            if (may_be_secret and is_secret(key, item)) or (
                hidden and is_kind(key, str) and key.lower() in _PAIR_VALUES
            ):
                self.tell(told + REDACTED)
            elif leaf := self._leaf(item, depth + 1):
                self.tell(told + leaf)
            else:
                self.tell(told)
                self.value(item, depth + 1)
        self.tell("}")

    def _items(self, value: Any, depth: int) -> None:
        fields = getattr(type(value), "_fields", None)
        if is_kind(value, tuple) and isinstance(fields, tuple):
            self._fields(type(value).__name__, zip(fields, tuple.__iter__(value), strict=False), depth)
            return
        base, opening, closing = next(each for each in _BRACKETS if is_kind(value, each[0]))
        self.tell(opening)
        many = list(base.__iter__(value)) if len(value) <= MAX_NODES else self._first(base.__iter__(value))
        self.joined(many, depth + 1)
        self.tell(",)" if base is tuple and len(value) == 1 else closing)

    def _first(self, items: Iterator[Any]) -> list[Any]:
        self.was_cut = True
        return list(islice(items, MAX_NODES))

    def _fields(self, name: str, fields: Iterator[tuple[str, Any]], depth: int) -> None:
        self.tell(f"{name}(")
        for position, (field, item) in enumerate(fields):
            self.tell(f"{', ' if position else ''}{field}=")
            if is_secret(field, item):
                self.tell(REDACTED)
            else:
                self.value(item, depth + 1)
        self.tell(")")

    def _bytes(self, value: bytes | bytearray) -> str:
        try:
            head = bytes(value[: self.limit + OVERLAP])
            return f"b{self.plain(head.decode())!r}" if len(head) == len(value) else f"<bytes {len(value)}>"
        except UnicodeDecodeError:
            return f"<bytes {len(value)}>"

    def _number(self, value: Any) -> str:
        if type(value) is int and -(10**12) < value < 10**12:
            return repr(value)
        if not is_kind(value, int):
            return float.__repr__(value) if is_kind(value, float) else complex.__repr__(value)
        if value.bit_length() > 256:
            return f"<int of {value.bit_length()} bits>"
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
        elif names := _declared(kind):
            found = ((name, item) for name in names if (item := _stored(value, name)) is not _MISSING)
            self._fields(kind.__name__, found, depth)
        else:
            self.tell(_model(value) or f"<{qualified(kind)}>")


_MISSING: Final = object()


@functools.lru_cache(maxsize=4096)
def _known(key: str, mode: str) -> tuple[str, bool]:
    """A short key as text, and whether it may be the name of a secret: keys come again and again."""
    shape = repr(key) if _is_name(key) else f"str[{len(key)}]"
    return shape if mode == SHAPES else repr(secret_text.redact(key)), is_secret(key)


@functools.lru_cache(maxsize=4096)
def _is_name(key: str) -> bool:
    return (
        len(key) < LONGEST_NAME
        and key.replace("-", "_").replace(".", "_").isidentifier()
        and secret_text.redact(key) == key
    )


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def cut_middle(text: str, limit: int) -> str:
    """The ends of a traceback say most."""
    if len(text) <= limit:
        return text
    half = (limit - 5) // 2
    return f"{text[:half]}\n{CUT}\n{text[-half:]}"


def is_kind(value: object, kinds: type | tuple[type, ...]) -> bool:
    """`isinstance` asks an object for its `__class__`, which makes a lazy one run its query; this does not."""
    return issubclass(type(value), kinds)


def _is_leaf(value: object) -> bool:
    return is_kind(value, (str, bytes, bytearray, int, float, complex)) or type(value) in _PLAIN


def qualified(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


def _names_a_secret(items: list[tuple[Any, Any]]) -> bool:
    """Whether a dict is a pair in disguise, `{"name": "password", "value": ...}`, that speaks of a secret."""
    for key, name in items:
        if is_kind(key, str) and key.lower() in _PAIR_NAMES and is_kind(name, str) and is_secret(name):
            return True
    return False


def _declared(kind: type) -> tuple[str, ...]:
    """The field names a class declares: dataclass, attrs, pydantic. Read from the class, without running its code."""
    namespace = vars(kind)
    if dataclasses.is_dataclass(kind):
        return tuple(kind.__dataclass_fields__)
    if "__attrs_attrs__" in namespace:
        return tuple(attribute.name for attribute in namespace["__attrs_attrs__"])
    fields = namespace.get("__pydantic_fields__") or namespace.get("model_fields") or namespace.get("__fields__")
    return tuple(fields) if isinstance(fields, dict) else ()


def _stored(value: object, name: str) -> Any:
    """What an instance holds under a name: from its dictionary or a slot, never through a property."""
    try:
        held = object.__getattribute__(value, "__dict__")
        if name in held:
            return held[name]
    except (AttributeError, TypeError):
        pass
    slot = inspect.getattr_static(type(value), name, None)
    if isinstance(slot, types.MemberDescriptorType):
        try:
            return slot.__get__(value, type(value))
        except AttributeError:
            return _MISSING
    return _MISSING


def _model(value: object) -> str:
    """`<shop.Order 5>` for a Django model: its label and its key, when that is a number or a UUID."""
    meta = getattr(type(value), "_meta", None)
    label = getattr(meta, "label", None)
    key = _stored(value, getattr(getattr(meta, "pk", None), "attname", "id"))
    if not isinstance(label, str):
        return ""
    return f"<{label} {key}>" if type(key) in (int, uuid.UUID) else f"<{label}>"
