"""How many events a second one core decodes, validates and folds into task rows, without a store.

The batches are those of bench_ingest: tasks received, started and succeeded, 500 events each. The rows of one batch are
folded on by the next, as the store does. CPU time of this process, the steps in turn, the median of all rounds; other
load on the machine shows all the same, since it takes the caches. In each round the limit is measured too: orjson and
SHA-256 over the same bodies, which is to decode them and to know them again, without a look at what they say.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

import orjson  # noqa: E402
from rest_framework import serializers  # noqa: E402
from z4j_core import fold as folding  # noqa: E402
from z4j_core import wire  # noqa: E402

from tests import wire as sent  # noqa: E402
from tests.bench import rows  # noqa: E402
from tests.bench.bench_ingest import story  # noqa: E402
from z4j_brain.gateway import parser  # noqa: E402
from z4j_brain.lib.batch import ParsedBatch  # noqa: E402
from z4j_brain.tasks.rows import Identity, grouped  # noqa: E402

BATCHES = 10
ROUNDS = 31
TARGET = 300_000
BODIES = [sent.raw(one) for one in story(91, BATCHES)]


class Told(serializers.Serializer[Any]):
    """An event as one would describe it to the REST framework at first."""

    seq = serializers.IntegerField(min_value=0)
    kind = serializers.CharField(max_length=32)
    ts = serializers.IntegerField(min_value=0)
    engine = serializers.CharField(max_length=32)
    task_id = serializers.CharField(max_length=wire.MAX_ID)
    attempt = serializers.IntegerField(min_value=0, required=False)
    name = serializers.CharField(max_length=wire.MAX_NAME, required=False)
    queue = serializers.CharField(max_length=255, required=False)
    worker = serializers.CharField(max_length=255, required=False)
    run = serializers.IntegerField(min_value=0, required=False)
    vault = serializers.CharField(max_length=64, required=False)
    args = serializers.CharField(max_length=wire.MAX_STRING, required=False)
    kwargs = serializers.CharField(max_length=wire.MAX_STRING, required=False)
    result = serializers.CharField(max_length=wire.MAX_STRING, required=False)
    runtime_ms = serializers.FloatField(required=False)


def glance() -> None:
    for body in BODIES:
        orjson.loads(body)
        hashlib.sha256(body).hexdigest()


def decode() -> None:
    for body in BODIES:
        parser.parse(body)


def fold(batches: list[ParsedBatch]) -> None:
    known: dict[Identity, folding.Row] = {}
    for batch in batches:
        _fold_in(known, batch)


def decode_and_fold() -> None:
    known: dict[Identity, folding.Row] = {}
    for body in BODIES:
        _fold_in(known, parser.parse(body))


def naively() -> None:
    """One serializer an event; of one batch, since it takes so long."""
    for event in json.loads(BODIES[0])["events"]:
        Told(data=event).is_valid(raise_exception=True)


def _fold_in(known: dict[Identity, folding.Row], batch: ParsedBatch) -> None:
    for identity, keyed in grouped([(str(batch.boot), batch.events)]).items():
        known[identity] = folding.fold(known.get(identity), keyed)


def speed(step: Callable[[], None], events: int) -> float:
    started = time.process_time()
    step()
    return events / (time.process_time() - started)


def measure() -> list[rows.Row]:
    parsed = [parser.parse(body) for body in BODIES]
    assert all(parser._at_once(body) for body in BODIES), "an ordinary batch does not go the fast way"
    events = BATCHES * wire.MAX_EVENTS
    steps: tuple[tuple[Callable[[], None], int], ...] = (
        (glance, events), (decode, events), (lambda: fold(parsed), events), (decode_and_fold, events),
        (naively, wire.MAX_EVENTS),
    )  # fmt: skip
    turns = [[speed(*step) for step in steps] for _ in range(ROUNDS)]
    limit, decoded, folded, both, naive = (statistics.median(column) for column in zip(*turns, strict=True))
    return [
        rows.shown("decode and validate a batch of 500", decoded, "events/s", limit),
        rows.shown("fold events into task rows", folded, "events/s"),
        rows.reaching("decode, validate and fold, no store", both, "events/s", TARGET),
        rows.shown("naively: decode, and validate by a serializer an event", naive, "events/s", limit),
    ]


if __name__ == "__main__":
    rows.tell(measure())
