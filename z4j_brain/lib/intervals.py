"""Sets of whole numbers as sorted, closed ranges [[first, last], ...]: what has arrived of an endless sequence."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

Ranges = list[list[int]]


def contains(ranges: Ranges, number: int) -> bool:
    at = _before(ranges, number)
    return at >= 0 and number <= ranges[at][1]


def add(ranges: Ranges, number: int) -> bool:
    """Put `number` into `ranges`, in place. False when it was there already."""
    at = _before(ranges, number)
    if at >= 0 and number <= ranges[at][1]:
        return False
    joins_left = at >= 0 and ranges[at][1] == number - 1
    joins_right = at + 1 < len(ranges) and ranges[at + 1][0] == number + 1
    if joins_left and joins_right:
        ranges[at][1] = ranges.pop(at + 1)[1]
    elif joins_left:
        ranges[at][1] = number
    elif joins_right:
        ranges[at + 1][0] = number
    else:
        ranges.insert(at + 1, [number, number])
    return True


def extend(ranges: Ranges, numbers: Sequence[int]) -> bool:
    """Add numbers that follow one another and come right after all there are; False, and nothing, if they do not."""
    if not numbers or (ranges and numbers[0] != ranges[-1][1] + 1):
        return False
    if any(later != number + 1 for number, later in pairwise(numbers)):
        return False
    if ranges:
        ranges[-1][1] = numbers[-1]
    else:
        ranges.append([numbers[0], numbers[-1]])
    return True


def _before(ranges: Ranges, number: int) -> int:
    """The index of the last range that starts at or before `number`; -1 when there is none."""
    return bisect_right(ranges, number, key=lambda pair: pair[0]) - 1
