"""`z4j doctor` says whether the brain's own house is in order, and fails when it is not."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from z4j_brain.ledger import sealing
from z4j_brain.ledger.states import LogState

pytestmark = pytest.mark.django_db


def told():
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("doctor", stdout=out, stderr=err)
    except CommandError as error:
        return f"{err.getvalue()}{error}"
    return out.getvalue()


def test_a_house_in_order_is_said_to_be():
    assert "in order; generation 1" in told() and "guards are in place" in told()


def test_a_log_that_is_not_signed_and_a_guard_that_is_gone_are_told():
    sealing.refuse(LogState.ROLLBACK, "the log has gone back")
    table = "" if connection.vendor == "sqlite" else " ON ledger_leaf"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER ledger_leaf_no_delete{table}")

    assert "the log has gone back" in told() and "ledger_leaf_no_delete: gone" in told()
    assert "2 to look at" in told()
