"""The trace that a header names."""

from __future__ import annotations

import pytest
from z4j_core import traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "header", [f"00-{TRACE}-00f067aa0ba902b7-01", f"cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later"]
)
def test_a_header_names_its_trace(header):
    assert traceparent.trace_id(header) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        7,
        "",
        TRACE,
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-00f067aa0ba902b7-01\n",
        f"00-{TRACE}-00f067aa0ba902b7-01-{'x' * 600}",
    ],
)
def test_what_is_no_such_header_names_none(header):
    assert traceparent.trace_id(header) is None
