"""`z4j doctor` says whether the brain's own house is in order, and fails when it is not."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from tests.brain import free_port
from z4j_brain.alerts.models import Rule
from z4j_brain.audit.models import Anchor, Stream
from z4j_brain.audit.states import AnchorKind, StreamKind
from z4j_brain.ledger import sealing
from z4j_brain.ledger.models import Checkpoint
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


def test_what_outside_lacks_of_the_log_is_told_and_what_keeps_up_is_not():
    now = timezone.now()
    Checkpoint.objects.create(generation=1, size=7, note="", ts=now - timedelta(hours=1))
    told_of = {"kind": AnchorKind.SYSLOG, "address": "tcp://siem.example", "generation": 1}
    Anchor.objects.create(name="near", size=7, **told_of)
    Anchor.objects.create(name="far", size=2, error="It did not answer.", failures=3, **told_of)
    told_of["kind"] = StreamKind.SYSLOG
    Stream.objects.create(name="quick", idx=7, **told_of)
    Stream.objects.create(name="slow", idx=4, **told_of)
    Stream.objects.create(name="still", idx=7, paused_at=now, **told_of)
    for outlets in (Anchor, Stream):
        outlets.objects.update(created_at=now - timedelta(hours=2))

    said = told()

    assert "The anchor far is late: it lacks 5 entries. It did not answer." in said
    assert "The stream slow is late: it lacks 3 entries." in said
    assert "The stream still is paused: it lacks 0 entries." in said
    assert "anchor near" not in said and "stream quick" not in said
    assert "3 to look at" in said


def test_anchors_and_streams_that_keep_up_are_named_when_all_is_well():
    Anchor.objects.create(name="near", kind=AnchorKind.SYSLOG, address="tcp://siem.example")
    Stream.objects.create(name="quick", kind=StreamKind.SYSLOG, address="tcp://siem.example")

    assert "Anchor near: up to date" in told() and "Stream quick: up to date" in told()


def test_what_the_brain_stands_on_is_told_part_by_part():
    said = told()

    for part in ("Database", "Migrations: all applied", "Channel layer", "Housekeeping", "Mail: no server", "Time"):
        assert part in said


def test_a_channel_layer_and_a_mail_server_that_are_not_there_are_named_with_what_mends_them(settings):
    gone = f"127.0.0.1:{free_port()}"
    settings.CHANNEL_URL = f"redis://{gone}"
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [settings.CHANNEL_URL]}}
    }
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = gone.split(":")

    said = told()

    assert "Channel layer: No message comes back" in said and "Is the Redis or Valkey at Z4J_CHANNEL_URL" in said
    assert f"Mail: {gone} takes no mail" in said and "Z4J_MAIL_URL" in said
    assert "2 to look at" in said


def test_rules_that_nobody_looks_at_tell_that_nobody_keeps_the_house(cast):
    late = timezone.now() - timedelta(minutes=9)
    Rule.objects.create(environment=cast.production, name="r", kind="failures", next_at=late)

    said = told()

    assert "Housekeeping: Alert rules have waited since" in said and "Run z4j serve" in said


def test_a_migration_that_is_missing_stops_the_rest(monkeypatch):
    connection.ensure_connection()
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda self, targets: [("one", False)])

    said = told()

    assert "Migrations: 1 are missing." in said and "the rest cannot be looked at before" in said
    assert "Audit log" not in said
