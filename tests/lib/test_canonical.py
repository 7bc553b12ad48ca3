from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from z4j_brain.lib import canonical

ascii_text = st.text(st.characters(max_codepoint=127))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(ascii_text, inner),
)


@given(values)
def test_what_was_encoded_reads_back_the_same(value):
    assert json.loads(canonical.encode(value)) == value


@given(st.dictionaries(ascii_text, values))
def test_the_order_of_insertion_leaves_no_trace(value):
    backwards = dict(reversed(value.items()))

    assert canonical.encode(backwards) == canonical.encode(value)


@pytest.mark.parametrize("value", [1.5, 2**53, -(2**53), {"ü": 1}, {1: 2}, {"a": [float("nan")]}, b"bytes", object()])
def test_what_has_more_than_one_form_is_refused(value):
    with pytest.raises(ValueError):
        canonical.encode(value)
