"""How much room is left on the disk, and what follows from it."""

from __future__ import annotations

import sqlite3

import pytest
from django.db import OperationalError

from z4j_brain.lib import disk, problem
from z4j_brain.lib.disk import MEGABYTE, Space

GIGABYTE = 1024 * MEGABYTE


@pytest.mark.parametrize(
    ("free", "total", "reusable", "low", "refusing"),
    [
        (50 * GIGABYTE, 100 * GIGABYTE, 0, False, False),
        (9 * GIGABYTE, 100 * GIGABYTE, 0, True, False),
        (201 * MEGABYTE, 100 * GIGABYTE, 0, True, False),
        (199 * MEGABYTE, 100 * GIGABYTE, 0, True, True),
        (199 * MEGABYTE, 100 * GIGABYTE, GIGABYTE, True, False),  # events fit into what was deleted
        (20 * MEGABYTE, 100 * GIGABYTE, GIGABYTE, True, True),  # but not without room to write in
        (21 * MEGABYTE, GIGABYTE, 0, True, False),  # on a small volume the floor is lower
        (20 * MEGABYTE, GIGABYTE, 0, True, True),
    ],
)
def test_events_are_refused_long_before_nothing_can_be_written(free, total, reusable, low, refusing):
    space = Space(free, total, reusable)

    assert (space.is_low, space.is_refusing) == (low, refusing)


def _raised(file):
    """SQLite's own error of a database that may not grow, as Django hands it on."""
    connection = sqlite3.connect(file)
    connection.executescript("CREATE TABLE t (x); PRAGMA max_page_count = 2")
    try:
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    except sqlite3.OperationalError as cause:
        error = OperationalError(*cause.args)
        error.__cause__ = cause
        return error
    raise AssertionError("it fitted")


def test_a_full_disk_is_told_from_a_database_that_is_away(tmp_path):
    full = problem.store_away(_raised(tmp_path / "small.sqlite3"))
    away = problem.store_away(OperationalError("connection refused"))

    assert (full.status, full.code, full.headers.keys()) == (503, "disk_full", {"Retry-After"})
    assert (away.status, away.code) == (503, "store_away")
    assert not disk.is_full(OperationalError("unable to open database file"))
