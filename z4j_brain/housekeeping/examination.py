"""Is the brain's own house in order, part by part: what a part is like, or what is wrong with it and what mends it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from channels.layers import get_channel_layer
from django.conf import settings
from django.core.mail import get_connection
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from z4j_brain.alerts.models import Rule
from z4j_brain.lib import disk

#: Seconds that the channel layer may take, and how far the database's clock may be from ours.
PATIENCE, APART = 5.0, 2.0
#: A rule that should have been looked at so long ago tells that nobody keeps the house.
LATE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Part:
    """`text`: how it is. `fix`: what mends it; empty where all is well."""

    name: str
    text: str
    fix: str = ""


def store() -> Iterator[Part]:
    """The database and its schema: without either, nothing else can be looked at."""
    began = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        fix = "Is it running, and is Z4J_DATABASE_URL (or Z4J_DATA_DIR, for SQLite) its place?"
        yield Part("Database", f"{connection.display_name} does not answer: {_said(error)}", fix)
        return
    yield Part("Database", f"{connection.display_name} answers in {(time.monotonic() - began) * 1000:.0f} ms")
    executor = MigrationExecutor(connection)
    lacking = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if lacking:
        yield Part(
            "Migrations", f"{len(lacking)} are missing.", "Start the brain, or run z4j migrate, by this release."
        )
    else:
        yield Part("Migrations", "all applied")


def parts() -> Iterator[Part]:
    """What else the brain stands on."""
    yield _layer()
    yield _house()
    yield from _disk()
    yield _mail()
    yield _time()


def _layer() -> Part:
    if not settings.CHANNEL_URL:
        return Part("Channel layer", "in the memory of one process")
    try:
        asyncio.run(asyncio.wait_for(_round(), PATIENCE))
    except Exception as error:
        fix = "Is the Redis or Valkey at Z4J_CHANNEL_URL running? Pages poll meanwhile."
        return Part("Channel layer", f"No message comes back: {_said(error)}", fix)
    return Part("Channel layer", "a message came back")


async def _round() -> None:
    layer, channel = get_channel_layer(), f"doctor-{uuid.uuid4().hex}"
    await layer.send(channel, {"type": "doctor"})
    await layer.receive(channel)


def _house() -> Part:
    """By the alert rules, which are looked at by the minute: where there is none, nothing is known."""
    due = Rule.objects.filter(enabled=True).order_by("next_at").values_list("next_at", flat=True).first()
    if due is None:
        return Part("Housekeeping", "not known: there is no alert rule that it would look at")
    if due < timezone.now() - LATE:
        fix = "Run z4j serve, or one z4j housekeeping beside the web processes; its log says what keeps it."
        return Part("Housekeeping", f"Alert rules have waited since {due:%Y-%m-%d %H:%M} to be looked at.", fix)
    return Part("Housekeeping", "alert rules are looked at in time")


def _disk() -> Iterator[Part]:
    space = disk.space()
    if space is None:
        return
    text = f"{space.free // disk.MEGABYTE:,} MB of {space.total // disk.MEGABYTE:,} MB free"
    fix = "Make room, or keep things for fewer days: below the floor events are refused." if space.is_low else ""
    yield Part("Disk", text, fix)


def _mail() -> Part:
    if not settings.EMAIL_HOST:
        return Part("Mail", "no server is set; alerts go by webhook only")
    try:
        mail = get_connection()
        mail.open()
        mail.close()
    except Exception as error:
        fix = "Are host, port, user and password in Z4J_MAIL_URL right, and is the server reached from here?"
        return Part("Mail", f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT} takes no mail: {_said(error)}", fix)
    return Part("Mail", f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT} takes us in")


def _time() -> Part:
    if connection.vendor != "postgresql":
        return Part("Time", "the database has this machine's clock")
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        apart = abs((timezone.now() - cursor.fetchone()[0]).total_seconds())
    fix = "Let both machines keep their time by NTP." if apart > APART else ""
    return Part("Time", f"the database's clock is {apart:.1f} s from ours", fix)


def _said(error: BaseException) -> str:
    """Its first line: passwords do not stand in what libraries say, but long tales do."""
    return (str(error).strip().splitlines() or [""])[0][:200] or type(error).__name__
