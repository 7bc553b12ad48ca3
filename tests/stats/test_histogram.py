"""Percentiles out of histograms are close to those of the durations themselves."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from z4j_brain.stats import histogram

#: From ten microseconds to thirty days.
durations = st.lists(st.floats(10, 30 * 86_400e6), min_size=1, max_size=200)


@given(durations, st.floats(0.01, 1))
def test_a_percentile_is_at_most_ten_percent_off(micros, share):
    slots = histogram.Slots(map(histogram.slot, micros))

    exact = sorted(micros)[math.ceil(share * len(micros)) - 1]
    assert abs(histogram.percentiles(slots, share)[0] - exact) <= exact * 0.1


@given(durations, durations)
def test_histograms_add_up_whatever_they_were_split_into(some, others):
    texts = [histogram.dump(histogram.Slots(map(histogram.slot, part))) for part in (some, others)]

    assert histogram.merged(",".join(texts)) == histogram.Slots(map(histogram.slot, some + others))
    assert histogram.dump(histogram.load(texts[0])) == texts[0]


def test_an_empty_histogram_has_no_percentile():
    assert histogram.percentiles(histogram.load(""), 0.5, 0.9) == [None, None]
