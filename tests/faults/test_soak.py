"""Two faults at once, at random, again and again: in the end the brain's word on everything is the ledger's.

One minute beside the other tests, an hour with Z4J_SOAK=1. Z4J_SOAK_SECONDS is its length and Z4J_SOAK_SEED what makes
its chances; both are printed, so that what went wrong can be asked for once more.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from tests.faults import books
from tests.faults.desk import Operator, Reader
from tests.faults.strikes import pair
from tests.faults.test_schedules import timetable
from tests.faults.workshop import Workshop
from tests.store import PostgresStore

SOAK = bool(os.environ.get("Z4J_SOAK"))
SECONDS = float(os.environ.get("Z4J_SOAK_SECONDS") or (3600 if SOAK else 60))
SEED = int(os.environ.get("Z4J_SOAK_SEED") or random.randrange(10**6))
#: Tasks a second, of all workers together, and schedules of z4j's own.
RATE, SCHEDULES, GRACE = 12.0, 40, 60
#: Seconds between two pairs of faults, and how long one lasts.
PAUSE, LASTS = ((20.0, 40.0), (2.0, 15.0)) if SECONDS > 300 else ((8.0, 14.0), (2.0, 10.0))
#: Seconds in which all has to be told once nothing is wrong any more.
DRAIN = 300.0

Say = Callable[[str], None]


@pytest.fixture
def shop(own: PostgresStore, tmp_path: Path) -> Iterator[Workshop]:
    shop = Workshop(own, tmp_path, RATE)
    yield shop
    shop.close()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def say(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    return say


class Watch:
    """Looks once a minute: one line, and what each process of the brain weighs."""

    def __init__(self, shop: Workshop, say: Say) -> None:
        self.shop, self.say = shop, say
        self.faults: Counter[str] = Counter()
        self.weights: dict[tuple[str, int], list[float]] = {}
        self.look_at = time.monotonic() + 60

    def look(self) -> None:
        if time.monotonic() < self.look_at:
            return
        self.look_at += 60
        for member in self.shop.cluster.members:
            self.weights.setdefault((member.role, member.pid), []).append(self.shop.weight(member))
        sizes = ", ".join(
            f"{role} {' '.join(f'{self.shop.weight(one):.0f}' for one in self.shop.members(role))}"
            for role in ("web", "housekeeping", "signer")
        )
        try:
            told = f"{books.events(self.shop):>8} events in, {books.behind(self.shop):>5} tasks behind"
        except psycopg.Error:
            told = "PostgreSQL does not answer"
        self.say(f"{datetime.now():%H:%M:%S} {self.faults.total():>4} faults, {told}, MiB: {sizes}")


def test_while_two_things_at_once_go_wrong_the_brain_keeps_true_books(shop, say):
    say(f"\nZ4J_SOAK_SECONDS={SECONDS:.0f} Z4J_SOAK_SEED={SEED}")
    operator, reader, watch = Operator(shop, SEED), Reader(shop), Watch(shop, say)
    kept = books.checkpoint(shop)
    timetable(shop.cluster, "put", str(SCHEDULES), str(GRACE))
    for thread in (operator, reader):
        thread.start()
    go_wrong(shop, watch)
    expected = timetable(shop.cluster, "told")["expected"]
    timetable(shop.cluster, "end")
    operator.end()
    shop.ledger.close_shop()
    drain(shop, watch)
    reader.end()
    runs = timetable(shop.cluster, "told")["runs"]
    for host in shop.hosts:
        host.end()

    say(books.table(shop, watch.faults, watch.weights, operator, reader, runs))
    check(
        lambda: books.check_tasks(shop),
        lambda: books.check_statistics(shop),
        lambda: books.check_operations(shop, operator),
        lambda: books.check_runs(shop, expected, runs),
        lambda: books.check_audit(shop, kept),
        lambda: books.check_pages(shop),
        lambda: books.check_answers(shop, operator, reader),
        lambda: books.check_weights(watch.weights),
    )


def check(*looks: Callable[[], None]) -> None:
    """All of them, also where one finds something: what an hour has shown is not thrown away."""
    found: list[Exception] = []
    for look in looks:
        try:
            look()
        except (AssertionError, OSError, psycopg.Error, subprocess.SubprocessError) as problem:
            found.append(problem)
    if found:
        raise ExceptionGroup(f"seed {SEED}", found)


def go_wrong(shop: Workshop, watch: Watch) -> None:
    chance, until = random.Random(SEED), time.monotonic() + SECONDS
    while True:
        pause = chance.uniform(*PAUSE)
        if time.monotonic() + pause + LASTS[1] > until:
            break
        sleep(pause, watch)
        faults = pair(shop, chance)
        for fault in faults:
            fault.strike()
        watch.faults.update(type(fault).__name__ for fault in faults)
        watch.say(f"{datetime.now():%H:%M:%S}      {' and '.join(map(str, faults))}")
        for fault in chance.sample(faults, 2):
            sleep(chance.uniform(*LASTS) / 2, watch)
            fault.heal()
    sleep(until - time.monotonic(), watch)


def sleep(seconds: float, watch: Watch) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))
        watch.shop.supervise()
        watch.look()


def drain(shop: Workshop, watch: Watch) -> None:
    """Until nobody has anything to say any more."""
    shop.supervise()
    shop.cluster.wait()
    deadline = time.monotonic() + DRAIN
    while left := books.open_ends(shop):
        assert time.monotonic() < deadline, left
        sleep(1, watch)
