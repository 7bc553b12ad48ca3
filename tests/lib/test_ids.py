"""Identifiers that sort by time."""

from __future__ import annotations

import time
import uuid

from z4j_brain.lib.ids import uuid7


def test_ids_made_one_after_the_other_sort_so():
    made = []
    for _ in range(200):
        made.append(uuid7())
        time.sleep(0.00001)
    assert made == sorted(made)
    assert len(set(made)) == 200


def test_an_id_is_a_version_7_uuid_of_its_moment():
    before, found = time.time_ns() // 1_000_000, uuid7()
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert before <= found.int >> 80 <= time.time_ns() // 1_000_000
