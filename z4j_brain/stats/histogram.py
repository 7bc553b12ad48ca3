"""Histograms of durations that can be added up, with percentiles that are at most 10 % off.

Each slot is a fifth wider than the one before it, from 10 microseconds to some 60 days; a duration is told by the
geometric middle of its slot, which no duration in it differs from by more than a factor of the root of 1.2. Stored as
JSON `{slot: how many}` without the empty ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping

import orjson

WIDTH = 1.2
#: Where slots begin, microseconds: slot n lies between BOUNDS[n - 1] and BOUNDS[n]; slot 0 is below 10.
BOUNDS = tuple(10 * WIDTH**n for n in range(147))

Slots = Counter[int]


def slot(micros: float) -> int:
    """The slot of a duration."""
    return bisect_right(BOUNDS, micros)


def middle(of: int) -> float:
    """The duration a slot stands for, microseconds."""
    return BOUNDS[of - 1] * WIDTH**0.5 if of else 5.0


def load(text: str) -> Slots:
    return Counter({int(number): count for number, count in orjson.loads(text).items()}) if text else Counter()


def dump(slots: Mapping[int, int]) -> str:
    """As text, the same for equal histograms; empty for an empty one."""
    kept = {str(number): slots[number] for number in sorted(slots) if slots[number]}
    return orjson.dumps(kept).decode() if kept else ""


def merged(texts: str) -> Slots:
    """All histograms of a text that holds several, joined by commas: as the store joins those of many rollups."""
    total: dict[str, int] = {}
    for slots in orjson.loads(f"[{texts}]"):
        for number, count in slots.items():
            total[number] = total.get(number, 0) + count
    return Counter({int(number): count for number, count in total.items()})


def percentiles(slots: Mapping[int, int], *shares: float) -> list[float | None]:
    """For each share (0 to 1, ascending) the duration that so many do not exceed, microseconds; None of nothing."""
    whole, reached = sum(slots.values()), 0
    found: list[float | None] = []
    for number in sorted(slots):
        reached += slots[number]
        while len(found) < len(shares) and whole and reached >= shares[len(found)] * whole:
            found.append(middle(number))
    return found + [None] * (len(shares) - len(found))
