"""Forgetting what is past its days: environment by environment and kind by kind, a little at a time.

A sweep is leased by a conditional update, so that of two processes one does it. It walks from the oldest on in pieces
of a transaction each, writes down how far it came, and goes on in its next turn. On SQLite, where one writes at a time,
it rests after each piece as long as that took: ingest goes first.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import F, Min, Q, QuerySet
from django.utils import timezone

from z4j_brain.housekeeping import blocks
from z4j_brain.lib import bulk, drain
from z4j_brain.rbac.models import Environment, Sweep
from z4j_brain.rbac.retention import KINDS, horizon, midnight
from z4j_brain.tasks import partitions

#: Seconds of work in one turn, and how many rows go in one transaction.
TURN = 1.0
SIZE = 2_000
SIZE_ON_SQLITE = 500
#: A process that holds a sweep and says nothing for so long is gone.
LEASE = timedelta(seconds=60)
#: How soon a sweep goes on that has more to do, and how soon one is due again that has not.
SOON, AGAIN = timedelta(seconds=1), timedelta(hours=1)
#: How long a whole day of events may wait for its table to be let go by everybody else.
PATIENCE = "3s"
_LOCKED = "55P03"


def turn() -> None:
    """Up to a second of sweeping, wherever it is due for longest."""
    end = time.monotonic() + TURN
    while time.monotonic() < end and not drain.begun():
        sweep = _lease(Sweep.objects.filter(next_at__lte=timezone.now()))
        if sweep is None:
            return
        _work(sweep, end)


def prepare() -> None:
    """Every environment has a sweep of each kind."""
    there = set(Sweep.objects.values_list("environment_id", "kind"))
    places = Environment.objects.values_list("pk", flat=True)
    missing = [Sweep(environment_id=pk, kind=kind) for pk in places for kind in KINDS if (pk, kind) not in there]
    if missing:
        Sweep.objects.bulk_create(missing, ignore_conflicts=True)


def sweep_now(environment: Environment, kind: str) -> Iterator[int]:
    """Sweep one kind to its end, whoever else is at it; yields how much has gone so far."""
    gone = 0
    while not drain.begun():
        sweep = _lease(Sweep.objects.filter(environment=environment, kind=kind))
        if sweep is None:
            time.sleep(0.2)
            continue
        gone += _work(sweep, time.monotonic() + TURN)
        yield gone
        if not Sweep.objects.get(pk=sweep.pk).is_running:
            return


def _lease(sweeps: QuerySet[Sweep]) -> Sweep | None:
    """One of these that nobody works on, for us."""
    now = timezone.now()
    free = sweeps.filter(Q(leased_until=None) | Q(leased_until__lt=now))
    sweep = free.select_related("environment").order_by("next_at").first()
    if sweep is None:
        return None
    mine = Sweep.objects.filter(pk=sweep.pk, leased_until=sweep.leased_until)
    if not mine.update(leased_until=now + LEASE):
        return None
    sweep.refresh_from_db()
    return sweep


def _work(sweep: Sweep, end: float) -> int:
    """Go on with a sweep until it is done or the time is up; how much has gone."""
    kind = KINDS[sweep.kind]
    first = horizon(getattr(sweep.environment, kind.days))
    move_horizon(sweep.environment, sweep.kind)
    gone = 0 if sweep.is_running else _begin(sweep)
    for piece in kind.pieces(sweep.environment_id, midnight(first), sweep.cursor, _size()):
        began = time.monotonic()
        with transaction.atomic():
            removed = piece.remove()
            if sweep.low == sweep.cursor and piece.is_clean():
                sweep.low = piece.mark
            sweep.cursor = piece.mark
            if not _write(sweep, low=sweep.low, cursor=sweep.cursor, removed=F("removed") + removed):
                transaction.set_rollback(True)  # it took us so long that somebody else has it
                return gone
        gone += removed
        if time.monotonic() >= end or drain.begun():
            _write(sweep, next_at=timezone.now() + SOON, leased_until=None)
            return gone
        _rest(time.monotonic() - began)
    _finish(sweep, first)
    return gone


def move_horizon(environment: Environment, kind: str) -> None:
    """Say what may be gone from now on, before any of it is."""
    first = horizon(getattr(environment, KINDS[kind].days))
    behind = Sweep.objects.filter(Q(horizon=None) | Q(horizon__lt=first), environment=environment, kind=kind)
    behind.update(horizon=first, removed=0)


def _begin(sweep: Sweep) -> int:
    """A run starts at what the last one left. Whole days of events go at once; how many of its events they held."""
    sweep.cursor, sweep.began_at, sweep.ended_at = sweep.low, timezone.now(), None
    _write(sweep, cursor=sweep.low, began_at=sweep.began_at, ended_at=None)
    if sweep.kind != blocks.EventBlocks.name or not bulk.on_postgres():
        return 0
    for environment in Environment.objects.all():
        move_horizon(environment, sweep.kind)
    try:
        return _drop_days().get(sweep.environment_id, 0)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != _LOCKED:
            raise
        return 0  # the next run tries again


def _drop_days() -> dict[int, int]:
    """Drop the days that no environment keeps; by environment, how many events that were."""
    sweeps = Sweep.objects.filter(kind=blocks.EventBlocks.name)
    before = sweeps.aggregate(first=Min("horizon"))["first"]
    if before is None or sweeps.exclude(horizon=None).count() < Environment.objects.count():
        return {}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [partitions.LOCK])
        shares = blocks.shares(before)
        partitions.drop(before)
        for environment_id, count in shares.items():
            sweeps.filter(environment=environment_id).update(removed=F("removed") + count)
    return shares


def _finish(sweep: Sweep, first: date) -> None:
    now = timezone.now()
    tomorrow = midnight(now.astimezone(UTC).date() + timedelta(days=1))
    done = max(first, sweep.done) if sweep.done else first
    # Unless somebody wants it sooner, since we began.
    Sweep.objects.filter(pk=sweep.pk, next_at=sweep.next_at).update(next_at=min(now + AGAIN, tomorrow))
    _write(sweep, cursor="", done=done, ended_at=now, leased_until=None)


def _write(sweep: Sweep, **values: Any) -> bool:
    """Write down how far the sweep has come, while it is ours."""
    mine = Sweep.objects.filter(pk=sweep.pk, leased_until=sweep.leased_until)
    return bool(mine.update(**values))


def _size() -> int:
    return SIZE if bulk.on_postgres() else SIZE_ON_SQLITE


def _rest(seconds: float) -> None:
    if not bulk.on_postgres():
        time.sleep(min(seconds, TURN / 4))
