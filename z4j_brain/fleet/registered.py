"""What a worker says of the tasks it knows, as far as it makes sense: names, parameters, and what may be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: Names that one event tells, parameters of one name, and characters of the name of a parameter.
MOST, MOST_PARAMS, LONGEST = 500, 64, 128
_NAME = 512
#: By position only, either way, by keyword only, any further positions, any further keywords.
KINDS = frozenset("pekaw")

Param = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class Known:
    """`params`: None where nobody said, or where what was said makes no sense."""

    name: str
    params: tuple[Param, ...] | None
    idempotent: bool


def read(told: Any) -> Iterator[Known]:
    """The entries that can be understood; others are as if they were not there."""
    for entry in told[:MOST] if isinstance(told, list) else ():
        name = entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str) and 0 < len(name) <= _NAME:
            yield Known(name, _params(entry.get("params")), entry.get("idempotent") is True)


def _params(told: Any) -> tuple[Param, ...] | None:
    """Half a signature would mislead: one parameter that makes no sense, and nothing is known of them."""
    if not isinstance(told, list) or len(told) > MOST_PARAMS or not all(map(_is_param, told)):
        return None
    return tuple((name, kind, required) for name, kind, required in told)


def _is_param(told: Any) -> bool:
    if not isinstance(told, list) or len(told) != 3:
        return False
    name, kind, required = told
    return (
        isinstance(name, str)
        and 0 < len(name) <= LONGEST
        and isinstance(kind, str)
        and kind in KINDS
        and isinstance(required, bool)
    )
