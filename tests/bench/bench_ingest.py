"""How many events a second one brain takes over HTTP, against what the store alone takes in the same run.

Over HTTP: signed in, gzip, parsed, answered one by one, committed; one server process, four connections, batches of
500. The store alone: the same rows into the same tables with the same indexes from one connection in this process, task
rows inserted and updated as the ingest does, nothing decoded or folded. The naive way, one update_or_create per event,
is there for contrast. `Z4J_TEST_STORE=postgres` chooses the other store, `BENCH_BATCHES` the length.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
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
from tests.brain import Brain  # noqa: E402
from tests.store import Store, open_store  # noqa: E402
from z4j_brain.agents import ingest as agents  # noqa: E402
from z4j_brain.agents.models import AgentKey  # noqa: E402
from z4j_brain.gateway import parser  # noqa: E402
from z4j_brain.lib import bulk  # noqa: E402
from z4j_brain.tasks import ingest as ingesting  # noqa: E402
from z4j_brain.tasks.models import Event, Task  # noqa: E402

BATCHES = int(os.environ.get("BENCH_BATCHES", "120"))
SENDERS = 4
LIFE = ("task.received", "task.started", "task.succeeded")


def story(seed: int, batches: int) -> list[dict[str, Any]]:
    """Batches of one agent: tasks received, started and finished, some 200 in flight, as a busy worker tells it."""
    boot, events, live = uuid.UUID(int=seed + 1), [], []
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


def over_http(brain: Brain) -> float:
    bodies = [[gzip.compress(sent.raw(one), 6) for one in story(number, BATCHES)] for number in range(SENDERS)]
    headers = {"Authorization": f"Bearer {DSN.parse(brain.dsn()).bearer()}", "Content-Encoding": "gzip"}

    def send(bodies: list[bytes]) -> int:
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

    started = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as pool:
        accepted = sum(pool.map(send, bodies))
    assert accepted == BATCHES * SENDERS * wire.MAX_EVENTS
    return accepted / (time.perf_counter() - started)


def into_the_store() -> float:
    """Rows that are made beforehand: what is timed is the store."""
    key = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production")
    batches = [parser.parse(sent.raw(one)) for one in story(9, BATCHES)]
    with transaction.atomic():
        agent = agents.enrol(key, batches[0])
    known: dict[str, folding.Row] = {}
    ids: dict[tuple[str, str], int] = {}
    spent = 0.0
    for batch in batches:
        rows: dict[str, folding.Row] = {}
        for parsed in batch.events:
            task_id = parsed.event["task_id"]
            keyed = (folding.order_key(parsed.event, str(batch.boot)), parsed.event)
            rows[task_id] = folding.fold(rows.get(task_id) or known.get(task_id), [keyed])
        started = time.perf_counter()
        with transaction.atomic():
            new = {("celery", task_id): row for task_id, row in rows.items() if task_id not in known}
            ids |= ingesting._insert(key.environment_id, new)
            for changed, part in _changes(rows, known, ids).items():
                bulk.update(Task, ("id", *changed), part)
            ingesting._append(agent, batch.events, ids)
        spent += time.perf_counter() - started
        known |= rows
    return BATCHES * wire.MAX_EVENTS / spent


def _changes(rows: Any, known: Any, ids: Any) -> dict[tuple[str, ...], list[Any]]:
    changes: dict[tuple[str, ...], list[Any]] = {}
    for task_id, row in rows.items():
        if task_id in known:
            changed = tuple(name for name in ingesting.FIELDS if row[name] != known[task_id][name])
            values = (ingesting._stored(name, row[name]) for name in changed)
            changes.setdefault(changed, []).append((ids["celery", task_id], *values))
    return changes


def naively(events: int = 1000) -> float:
    """One update_or_create per event, as one would write it at first."""
    key = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production")
    told = [event for batch in story(8, 1 + events // wire.MAX_EVENTS) for event in batch["events"]][:events]
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


def without_store() -> float:
    """Unpack, parse, check and fold."""
    bodies = [gzip.compress(sent.raw(one), 6) for one in story(7, 20)]
    started = time.perf_counter()
    for body in bodies:
        batch = parser.parse(parser.unzip(body, "gzip"))
        rows: dict[str, folding.Row] = {}
        for parsed in batch.events:
            keyed = (folding.order_key(parsed.event, str(batch.boot)), parsed.event)
            rows[parsed.event["task_id"]] = folding.fold(rows.get(parsed.event["task_id"]), [keyed])
    return len(bodies) * wire.MAX_EVENTS / (time.perf_counter() - started)


def measure(store: Store, folder: Path) -> dict[str, float]:
    brain = Brain(store, folder / "brain")
    try:
        brain.start(120)
        over = over_http(brain)
    finally:
        brain.close()
    store.clone("alone", cast=True)
    connections.settings["default"].update(store.django("alone"))
    told = {"http": over, "store": into_the_store(), "decode_fold": without_store(), "naive": naively()}
    connections.close_all()
    store.drop("alone")
    return told | {"ratio": told["http"] / told["store"]}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        told = measure(open_store(Path(place) / "store"), Path(place))
    kind = os.environ.get("Z4J_TEST_STORE", "sqlite")
    for name, value in told.items():
        print(
            f"ingest.{kind}.{name} {value:,.2f}" if name == "ratio" else f"ingest.{kind}.{name} {value:,.0f} events/s"
        )
    sys.exit(0)
