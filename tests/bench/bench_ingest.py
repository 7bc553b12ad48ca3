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
import statistics
import subprocess
import sys
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
from z4j_brain.tasks import rows as storing  # noqa: E402
from z4j_brain.tasks.models import Event, Task  # noqa: E402

BATCHES = int(os.environ.get("BENCH_BATCHES", "40"))
TURNS = 3
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


def over_http(brain: Brain, turn: int) -> float:
    seeds = range(turn * SENDERS, (turn + 1) * SENDERS)
    bodies = [[gzip.compress(sent.raw(one), 6) for one in story(100 + seed, BATCHES)] for seed in seeds]
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
        rows: dict[str, folding.Row] = {}
        for parsed in batch.events:
            task_id = parsed.event["task_id"]
            keyed = (folding.order_key(parsed.event, str(batch.boot)), parsed.event)
            rows[task_id] = folding.fold(rows.get(task_id) or known.get(task_id), [keyed])
        started = time.perf_counter()
        with transaction.atomic():
            new = {("celery", task_id): row for task_id, row in rows.items() if task_id not in known}
            ids |= storing._insert(key.environment_id, new)
            for changed, part in _changes(rows, known, ids).items():
                bulk.update(Task, ("id", *changed), part)
            storing._append(agent, batch.events, ids)
        spent += time.perf_counter() - started
        known |= rows
    return BATCHES * wire.MAX_EVENTS / spent


def _changes(rows: Any, known: Any, ids: Any) -> dict[tuple[str, ...], list[Any]]:
    changes: dict[tuple[str, ...], list[Any]] = {}
    for task_id, row in rows.items():
        if task_id in known:
            changed = tuple(name for name in storing.FIELDS if row[name] != known[task_id][name])
            changes.setdefault(changed, []).append((ids["celery", task_id], *storing._values(row, changed)))
    return changes


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


def without_store() -> float:
    """Unpack, parse, check and fold."""
    bodies = [gzip.compress(sent.raw(one), 6) for one in story(91, 20)]
    started = time.perf_counter()
    for body in bodies:
        batch = parser.parse(parser.unzip(body, "gzip"))
        rows: dict[str, folding.Row] = {}
        for parsed in batch.events:
            keyed = (folding.order_key(parsed.event, str(batch.boot)), parsed.event)
            rows[parsed.event["task_id"]] = folding.fold(rows.get(parsed.event["task_id"]), [keyed])
    return len(bodies) * wire.MAX_EVENTS / (time.perf_counter() - started)


def measure(store: Store, folder: Path) -> dict[str, float]:
    """Both in turn, so that what else the machine does weighs on both; the median of each."""
    brain = Brain(store, folder / "brain")
    store.clone("alone", cast=True)
    connections.settings["default"].update(store.django("alone"))
    turns = []
    try:
        brain.start(120)
        for turn in range(TURNS):
            turns.append((over_http(brain, turn), into_the_store(turn)))
    finally:
        brain.close()
    http, alone = (statistics.median(column) for column in zip(*turns, strict=True))
    ratio = statistics.median(over / limit for over, limit in turns)
    told = {"http": http, "store": alone, "ratio": ratio, "decode_fold": without_store(), "naive": naively()}
    connections.close_all()
    store.drop("alone")
    return told


def both_stores() -> dict[str, float]:
    """Each store in a process of its own: settings are read once."""
    told: dict[str, float] = {}
    for kind in ("sqlite", "postgres"):
        environment = os.environ | {"Z4J_TEST_STORE": kind}
        output = subprocess.run(
            [sys.executable, __file__], env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        told |= json.loads(output.stdout.splitlines()[-1])
    return told


if __name__ == "__main__":
    if kind := os.environ.get("Z4J_TEST_STORE"):
        with tempfile.TemporaryDirectory() as place:
            told = measure(open_store(Path(place) / "store"), Path(place))
        print(json.dumps({f"{kind}_{name}": round(value, 2) for name, value in told.items()}))
    else:
        told = both_stores()
        for name, value in told.items():
            print(f"ingest {name}: {value:,.2f}" + (" events/s" if "ratio" not in name else " of the store's limit"))
        print(json.dumps(told))
