from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from z4j_brain.lib import intervals

numbers = st.lists(st.integers(0, 40))


@given(numbers)
def test_ranges_hold_exactly_the_numbers_put_in(arrived):
    ranges = []

    fresh = [intervals.add(ranges, number) for number in arrived]

    assert fresh == [number not in arrived[:index] for index, number in enumerate(arrived)]
    assert all(intervals.contains(ranges, number) == (number in arrived) for number in range(-1, 42))


@given(numbers)
def test_ranges_stay_sorted_and_never_touch(arrived):
    ranges = []
    for number in arrived:
        intervals.add(ranges, number)

    assert all(first <= last for first, last in ranges)
    assert all(left[1] + 1 < right[0] for left, right in zip(ranges, ranges[1:], strict=False))


@given(st.permutations(range(30)))
def test_any_order_of_a_whole_sequence_ends_in_one_range(order):
    ranges = []
    for number in order:
        intervals.add(ranges, number)

    assert ranges == [[0, 29]]


@given(numbers, st.integers(0, 40), st.integers(1, 10))
def test_a_run_goes_in_at_once_only_where_everything_ends(arrived, first, length):
    ranges, run = [], list(range(first, first + length))
    for number in arrived:
        intervals.add(ranges, number)
    before = [list(pair) for pair in ranges]

    taken = intervals.extend(ranges, run)

    assert taken == (not arrived or first == max(arrived) + 1)
    for number in run if taken else ():
        assert intervals.add(before, number)
    assert ranges == before
