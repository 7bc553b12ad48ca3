"""What is asked of the rollups is what tasks come to, whatever grains the answer is put together from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from z4j_brain.stats import spans
from z4j_brain.stats.spans import RANGES, Span, moment
from z4j_brain.stats.totals import Totals

fives = st.integers(0, 288 * 40).map(lambda number: 1_767_000_000 // 300 * 300 + number * 300)


@given(fives, fives)
def test_pieces_cover_a_stretch_once_and_no_more(one, other):
    start, end = sorted((one, other))

    cut = sorted((since, until, grain) for grain, since, until in spans.pieces(start, end, spans.OF_QUEUES))

    assert all(since % grain == until % grain == 0 for since, until, grain in cut)
    assert [since for since, _, _ in cut] == [start, *(until for _, until, _ in cut[:-1])][: len(cut)]
    assert not cut or cut[-1][1] == end
    assert len(cut) <= 5


def test_of_no_rollups_nothing_is_known():
    nothing = Totals.together([])

    assert (nothing.arrived, nothing.ended, nothing.failure_rate, nothing.mean_ms) == (0, 0, None, None)
    assert nothing.runtime_ms == (None, None, None)
    assert not nothing


def test_a_stretch_is_widened_to_whole_grains():
    span = Span.between(moment(1_767_000_301), moment(1_767_000_601))

    assert (span.start, span.end) == (1_767_000_300, 1_767_000_900)


@pytest.mark.parametrize("name", RANGES)
def test_a_range_reaches_back_as_far_as_it_says_and_has_points_enough(name):
    now = moment(1_767_123_456)

    span = Span.recent(name, now)

    assert span.since <= now - RANGES[name] and now < span.until
    assert span.start % span.grain == span.end % span.grain == 0
    assert 3 <= len(span.starts) <= 301


@given(fives, fives)
def test_any_stretch_has_points_enough_and_not_too_many(one, other):
    start, end = sorted((one, other + 300))

    span = Span.between(moment(start), moment(end))

    assert span.start <= start and end <= span.end
    assert 1 <= len(span.starts) <= 313
