"""Which releases of an engine its adapter was tried with, as the adapter's own distribution declares them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Final

from z4j_core.engine import ENGINE_GROUP

_NAME: Final = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*\(?([^;)]*)")
_BOUND: Final = re.compile(r"(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)(\.\*)?\s*$")
_COMPARE: Final[dict[str, Callable[[list[int], list[int]], bool]]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def declared(engine: str) -> str:
    """The bounds of the library that is called as the engine, such as ">=5.3,<6"; empty when there are none."""
    for found in entry_points(group=ENGINE_GROUP, name=engine):
        for requirement in (found.dist.requires if found.dist else None) or ():
            named = _NAME.match(requirement)
            if named and _plain(named[1]) == _plain(engine) and "extra ==" not in requirement:
                return named[2].replace(" ", "")
    return ""


def within(version: str, bounds: str) -> bool:
    """Whether a release keeps to the bounds. What cannot be read is no reason to complain."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    return release is None or all(_keeps(_numbers(release[0]), bound) for bound in bounds.split(","))


def _keeps(release: list[int], bound: str) -> bool:
    found = _BOUND.match(bound.strip())
    if found is None:
        return True
    limit = _numbers(found[2])
    length = len(limit) if found[3] else max(len(release), len(limit))
    return _COMPARE[found[1]](_padded(release, length), _padded(limit, length))


def _numbers(release: str) -> list[int]:
    return [int(part) for part in release.split(".")]


def _padded(release: list[int], length: int) -> list[int]:
    return [*release, *[0] * length][:length]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
