"""Processes that are told of the same schedules at the same time, and that look for missed due times at the same time.

Run by test_rivals on a database that is thrown away afterwards; ends with 1 and an account when rows differ from those
of one process that gets everything in order.
"""

from __future__ import annotations

import os
import random
import uuid
from functools import partial
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from tests.operations.contenders import apart  # noqa: E402
from tests.schedules.said import MINUTE, NOON, at, give, tick, told  # noqa: E402
from tests.schedules.test_ingest import histories, rows  # noqa: E402
from tests.tasks.rivals import leave, new_key  # noqa: E402
from z4j_brain.agents.models import AgentKey  # noqa: E402
from z4j_brain.schedules import detection  # noqa: E402
from z4j_brain.schedules.models import Run, Schedule  # noqa: E402

RIVALS = 3
EXAMPLES = 60 if os.environ.get("Z4J_SOAK") else 5


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
@given(history=histories(), order=st.randoms(use_true_random=False))
def processes_make_of_any_history_what_one_would(history: list[Any], order: random.Random) -> None:
    there, elsewhere = new_key(), new_key()
    for boot, event in history:
        give(there, event, boot=boot)
    again = [event for _, event in history + order.sample(history, len(history) // 2)]
    order.shuffle(again)
    shares = [again[number::RIVALS] for number in range(RIVALS)]
    leave()
    apart(*(partial(take, elsewhere, share) for share in shares))

    assert rows(elsewhere) == rows(there)


def take(key: AgentKey, share: list[Any]) -> None:
    """Each as an agent of its own, a few events at a time."""
    boot = uuid.uuid4()
    for start in range(0, len(share), 3):
        give(key, *share[start : start + 3], boot=boot)


def processes_that_look_at_once_make_no_run_twice() -> None:
    key = new_key()
    give(key, *(told(NOON - MINUTE, f"s{number}", cron="* * * * *") for number in range(10)))
    give(key, *(tick(NOON + minute * MINUTE) for minute in range(-1, 15)))
    here = Schedule.objects.filter(environment=key.environment_id)
    here.update(check_at=at(NOON))
    leave()
    apart(*(partial(detection.detect, at(NOON + 12 * MINUTE)) for _ in range(RIVALS)))

    runs = Run.objects.filter(environment=key.environment_id)
    assert runs.count() == 10 * 12, runs.count()
    assert not here.filter(check_at__lte=at(NOON + 12 * MINUTE)).exists()


if __name__ == "__main__":
    processes_make_of_any_history_what_one_would()
    processes_that_look_at_once_make_no_run_twice()
