"""How many events a second one brain takes over HTTP, against what the store alone takes in the same run.

Over HTTP: signed in, gzip, parsed, answered one by one, committed; one server process, four connections, batches of
500. The store alone: the same rows and the same statistics into the same tables with the same indexes from one
connection in this process, task rows inserted and updated as the ingest does, nothing decoded or folded. Then the same
over HTTP while the table grows to two million tasks, and on PostgreSQL with a second server process. The naive way, one
update_or_create per event, is there for contrast. `BENCH_BATCHES` is the length of a turn, `BENCH_TASKS` the last size.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import statistics
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from django.db import connections, transaction  # noqa: E402
from z4j_core import fold as folding  # noqa: E402
from z4j_core import wire  # noqa: E402
from z4j_core.dsn import DSN  # noqa: E402

from tests import wire as sent  # noqa: E402
from tests.bench import million, rows  # noqa: E402
from tests.brain import Brain, free_port  # noqa: E402
from tests.store import Store, open_store  # noqa: E402
from z4j_brain.agents import ingest as agents  # noqa: E402
from z4j_brain.agents.models import AgentKey  # noqa: E402
from z4j_brain.gateway import parser  # noqa: E402
from z4j_brain.lib import bulk  # noqa: E402
from z4j_brain.stats import ingest as stats  # noqa: E402
from z4j_brain.tasks import facts  # noqa: E402
from z4j_brain.tasks import rows as storing  # noqa: E402
from z4j_brain.tasks.models import Event, Task  # noqa: E402

BATCHES = int(os.environ.get("BENCH_BATCHES", "24"))
TURNS = 3
LAST = int(os.environ.get("BENCH_TASKS", "2000000"))
SIZES = [size for size in (10**4, 10**5, 10**6) if size < LAST] + [LAST]
SENDERS = 4
LIFE = ("task.received", "task.started", "task.succeeded")


def story(seed: int, batches: int) -> list[dict[str, Any]]:
    """Batches of one agent: tasks received, started and finished, some 200 in flight, as a busy worker tells it."""
    boot = uuid.UUID(int=seed + 1)
    events: list[dict[str, Any]] = []
    live: list[list[int]] = []
    numbers = itertools.count(seed * 10_000_000)
    for seq in range(1, batches * wire.MAX_EVENTS + 1):
        if len(live) < 100:
            live.append([next(numbers), 0])
        task = live[(seq * 7) % len(live)]
        events.append(_event(seq, *task))
        task[1] += 1
        if task[1] == len(LIFE):
            live.remove(task)
    size = wire.MAX_EVENTS
    return [sent.batch(*events[start : start + size], boot=boot) for start in range(0, len(events), size)]


def _event(seq: int, number: int, step: int) -> dict[str, Any]:
    told = sent.event(seq, LIFE[step], sent.task_name(number), name=f"shop.tasks.order_{number % 40}")
    told |= {"queue": ("default", "high", "low")[number % 3], "worker": f"worker@host-{number % 8}"}
    if step == 0:
        told |= {"args": f"({number}, 'str(22)')", "kwargs": "{'order_id': int, 'dry_run': False}", "vault": "v1"}
    if step > 0:
        told["run"] = sent.START + number
    if step == 2:
        told |= {"result": "{'ok': True}", "runtime_ms": number % 3000 / 2}
    return told


class Beside(Brain):
    """One more process on the database of a brain."""

    def __init__(self, first: Brain) -> None:
        self.__dict__ |= first.__dict__ | {"port": free_port(), "process": None}

    def close(self) -> None:
        self.stop()


_seeds = itertools.count(100)


def over_http(*brains: Brain) -> float:
    """Events a second that these processes take, from four connections each."""
    bodies = [(brain, bodies_of(next(_seeds))) for brain in brains for _ in range(SENDERS)]
    started = time.perf_counter()
    with ThreadPoolExecutor(len(bodies)) as pool:
        accepted = sum(pool.map(lambda pair: send(*pair), bodies))
    assert accepted == BATCHES * len(bodies) * wire.MAX_EVENTS
    return accepted / (time.perf_counter() - started)


def bodies_of(seed: int) -> list[bytes]:
    return [gzip.compress(sent.raw(one), 6) for one in story(seed, BATCHES)]


def send(brain: Brain, bodies: list[bytes]) -> int:
    headers = {"Authorization": f"Bearer {DSN.parse(brain.dsn()).bearer()}", "Content-Encoding": "gzip"}
    connection, accepted = HTTPConnection("127.0.0.1", brain.port, timeout=60), 0
    for body in bodies:
        connection.request("POST", wire.EVENTS_PATH, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(content)
        accepted += json.loads(content)["accepted"]
    connection.close()
    return accepted


def into_the_store(turn: int) -> float:
    """Rows that are made beforehand: what is timed is the store."""
    key = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production")
    batches = [parser.parse(sent.raw(one)) for one in story(turn, BATCHES)]
    with transaction.atomic():
        agent = agents.enrol(key, batches[0])
    known: dict[str, folding.Row] = {}
    ids: dict[tuple[str, str], int] = {}
    spent = 0.0
    for batch in batches:
        folded: dict[str, folding.Row] = {}
        for parsed in batch.events:
            task_id = parsed.event["task_id"]
            keyed = (folding.order_key(parsed.event, str(batch.boot)), parsed.event)
            folded[task_id] = folding.fold(folded.get(task_id) or known.get(task_id), [keyed])
        before, after = _facts(folded, known)
        started = time.perf_counter()
        with transaction.atomic():
            new = {("celery", task_id): row for task_id, row in folded.items() if task_id not in known}
            ids |= storing._insert(key.environment_id, new)
            for changed, part in _changes(folded, known, ids).items():
                bulk.update(Task, ("id", *changed), part)
            storing._append(key.environment_id, [(agent, batch.events)], ids)
            stats.apply(key.environment_id, before, after)
        spent += time.perf_counter() - started
        known |= folded
    return BATCHES * wire.MAX_EVENTS / spent


def _changes(folded: Any, known: Any, ids: Any) -> dict[tuple[str, ...], list[Any]]:
    changes: dict[tuple[str, ...], list[Any]] = {}
    for task_id, row in folded.items():
        if task_id in known:
            changed = tuple(name for name in storing.FIELDS if row[name] != known[task_id][name])
            changes.setdefault(changed, []).append((ids["celery", task_id], *storing._values(row, changed)))
    return changes


def _facts(folded: Any, known: Any) -> tuple[list[stats.Fact], list[stats.Fact]]:
    before, after = [], []
    for task_id, row in folded.items():
        if task_id in known:
            gone, come = facts.changed("celery", known[task_id], row)
            before += gone
            after += come
        else:
            after += facts.facts("celery", row)
    return before, after


def naively(events: int = 1000) -> float:
    """One update_or_create per event, as one would write it at first."""
    key = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production")
    told = [event for batch in story(90, 1 + events // wire.MAX_EVENTS) for event in batch["events"]][:events]
    batch = parser.parse(sent.raw(sent.batch(sent.event(1), boot=uuid.UUID(int=99))))
    with transaction.atomic():
        agent = agents.enrol(key, batch)
    started = time.perf_counter()
    for event in told:
        moment = bulk.EPOCH + bulk._MICROSECOND * event["ts"]
        fields = {"state": event["kind"][5:], "name": event["name"], "first_at": moment, "last_at": moment}
        identity = {"environment_id": key.environment_id, "engine": "celery", "task_id": event["task_id"]}
        task, _ = Task.objects.update_or_create(**identity, defaults=fields)
        Event.objects.create(
            environment_id=key.environment_id, task=task, agent=agent, seq=event["seq"], kind=event["kind"],
            ts=event["ts"], data=event, received_at=moment,
        )  # fmt: skip
    return events / (time.perf_counter() - started)


def measure(store: Store, folder: Path, kind: str) -> list[rows.Row]:
    brain = Brain(store, folder / "brain")
    try:
        brain.start(120)
        return [*against_the_store(store, brain, kind), *with_a_second(brain, kind), *growing(store, brain, kind)]
    finally:
        brain.close()


def against_the_store(store: Store, brain: Brain, kind: str) -> list[rows.Row]:
    """Both in turn, so that what else the machine does weighs on both; the median of each."""
    store.clone("alone", cast=True)
    use(store.django("alone"))
    turns = [(over_http(brain), into_the_store(turn)) for turn in range(TURNS)]
    http, alone = (statistics.median(column) for column in zip(*turns, strict=True))
    naive = naively()
    return [
        rows.shown(f"ingest, {kind}: the store alone", alone, "events/s"),
        rows.at_least(f"ingest, {kind}: over HTTP, one process", http, "events/s", 0.5, alone),
        rows.shown(f"ingest, {kind}: naively, an update_or_create an event", naive, "events/s", http),
    ]


def with_a_second(brain: Brain, kind: str) -> list[rows.Row]:
    if not brain.database_url:
        return []
    second = Beside(brain)
    second.start()
    try:
        turns = [(over_http(brain), over_http(brain, second)) for _ in range(TURNS)]
    finally:
        second.close()
    one, two = (statistics.median(column) for column in zip(*turns, strict=True))
    return [rows.at_least(f"ingest, {kind}: over HTTP, two processes", two, "events/s", 1.5, one)]


def growing(store: Store, brain: Brain, kind: str) -> list[rows.Row]:
    """The rate while the table grows; the last against the first, each the median of several turns."""
    use(store.django(brain.name) if brain.database_url else {"NAME": brain.data_dir / "z4j.sqlite3"})
    environment = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production").environment
    empty, there, told = statistics.median(over_http(brain) for _ in range(TURNS)), 0, []
    for size in SIZES:
        million.fill(environment, there + 1, size, SIZES[-1])
        million.settle()
        there = size
        turns = TURNS if size == SIZES[-1] else 1
        rate = statistics.median(over_http(brain) for _ in range(turns))
        if size == SIZES[-1]:
            told.append(rows.at_least(f"ingest, {kind}: at {size:,} tasks", rate, "events/s", 0.7, empty))
        else:
            told.append(rows.shown(f"ingest, {kind}: at {size:,} tasks", rate, "events/s", empty))
    return told


def use(database: dict[str, Any]) -> None:
    """From now on this process works on another database."""
    connections.close_all()
    connections.settings["default"].update(database)
    del connections["default"]


if __name__ == "__main__":
    if chosen := os.environ.get("Z4J_TEST_STORE"):
        with tempfile.TemporaryDirectory(prefix="z4j-bench-") as place:
            store = open_store(Path(place) / "store")
            try:
                print(json.dumps(measure(store, Path(place), {"sqlite": "SQLite"}.get(chosen, "PostgreSQL"))))
            finally:
                connections.close_all()
                store.close()
    else:
        rows.tell(rows.of_both_stores(__file__))
