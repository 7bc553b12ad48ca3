"""What a value is, without running anybody's code to find out."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import uuid
from typing import Any, Final

MISSING: Final = object()


def is_kind(value: object, kinds: type | tuple[type, ...]) -> bool:
    """`isinstance` asks an object for its `__class__`, which makes a lazy one run its query; this does not."""
    return issubclass(type(value), kinds)


_SIZED: Final = (str, bytes, bytearray, dict, list, tuple, set, frozenset)
#: Bytes of a name.
_LONGEST: Final = 256


def size(value: Any) -> int:
    """The length of a value of a built-in kind, whatever its own class says."""
    return next(kind for kind in _SIZED if is_kind(value, kind)).__len__(value)


def name_of(key: object) -> str:
    """What a key is called: text, bytes such as drivers of databases give, or a member of an enum; else ""."""
    if is_kind(key, str):
        return str.__str__(key)
    if is_kind(key, enum.Enum):
        return str(key._name_)  # type: ignore[attr-defined]
    for kind in (bytes, bytearray):
        if is_kind(key, kind):
            return bytes(kind.__getitem__(key, slice(0, _LONGEST))).decode("latin-1")  # type: ignore[call-overload]
    return ""


def qualified(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


def declared(kind: type) -> tuple[str, ...]:
    """The field names a class declares: dataclass, attrs, pydantic. Read from the class, without running its code."""
    namespace = vars(kind)
    if dataclasses.is_dataclass(kind):
        return tuple(kind.__dataclass_fields__)
    if "__attrs_attrs__" in namespace:
        return tuple(attribute.name for attribute in namespace["__attrs_attrs__"])
    fields = namespace.get("__pydantic_fields__") or namespace.get("model_fields") or namespace.get("__fields__")
    return tuple(fields) if isinstance(fields, dict) else ()


def stored(value: object, name: str) -> Any:
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
            return MISSING
    return MISSING


def model(value: object) -> str:
    """`<shop.Order 5>` for a Django model: its label and its key, when that is a number or a UUID."""
    meta = getattr(type(value), "_meta", None)
    label = getattr(meta, "label", None)
    key = stored(value, getattr(getattr(meta, "pk", None), "attname", "id"))
    if not isinstance(label, str):
        return ""
    return f"<{label} {key}>" if type(key) in (int, uuid.UUID) else f"<{label}>"
