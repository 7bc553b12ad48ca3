"""What is asked of the rollups is what tasks come to, whatever grains the answer is put together from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from z4j_brain.stats import spans
from z4j_brain.stats.states import Grain
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
    nothing = Totals.of([])

    assert (nothing.arrived, nothing.ended, nothing.failure_rate, nothing.mean_ms) == (0, 0, None, None)
    assert nothing.runtime_ms == (None, None, None)
    assert nothing == Totals()


def test_a_stretch_is_widened_to_whole_grains():
    start, end = spans.moment(1_767_000_301), spans.moment(1_767_000_601)

    assert spans.aligned(start, end, Grain.FIVE_MINUTES) == (1_767_000_300, 1_767_000_900)
