"""Processes that ingest parts of one history at the same time, each example in an environment of its own.

Run by test_rivals on a database that is thrown away afterwards; ends with 1 and Hypothesis' account when rows or
statistics differ from those of one process that gets everything in order.
"""

from __future__ import annotations

import itertools
import os
import random
from functools import partial
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.db import connection  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from tests import wire as sent  # noqa: E402
from tests.operations.contenders import apart  # noqa: E402
from tests.stats.counting import counted, rollups  # noqa: E402
from tests.tasks.test_ingest import OTHER, expected, histories, rows  # noqa: E402
from z4j_brain.agents.models import AgentKey  # noqa: E402
from z4j_brain.rbac.models import Environment  # noqa: E402
from z4j_brain.tasks.ingest import Work, ingest_together  # noqa: E402
from z4j_brain.tasks.models import Event  # noqa: E402

RIVALS = 3
EXAMPLES = 200 if os.environ.get("Z4J_SOAK") else 8
_numbers = itertools.count()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
@given(history=histories(), order=st.randoms(use_true_random=False))
def processes_make_of_any_history_what_one_would(history: list[Any], order: random.Random) -> None:
    key = new_key()
    again = history + order.sample(history, len(history) // 2)
    order.shuffle(again)
    shares = [again[number::RIVALS] for number in range(RIVALS)]
    leave()
    apart(*(partial(take, key, number, share) for number, share in enumerate(shares)))

    assert rows(key.environment_id) == expected(history)
    assert Event.objects.filter(environment=key.environment_id).count() == len(history)
    assert rollups(key.environment_id) == counted(key.environment_id)


def leave() -> None:
    """Close every connection, also those that a pool keeps: no two processes share one."""
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()


def new_key() -> AgentKey:
    """The key of an environment that is empty."""
    number = next(_numbers)
    known = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production")
    environment = Environment.objects.create(project=known.environment.project, slug=f"e{number}", name=f"E {number}")
    fields = {"kid": f"rival{number}", "bearer_hash": "-", "expires_at": known.expires_at, "name": "rival"}
    return AgentKey.objects.create(environment=environment, **fields)


def take(key: AgentKey, number: int, share: list[Any]) -> None:
    """One process: its share in batches of up to four events of one boot, several at once."""
    firsts, works = itertools.count(1_000_000 * (number + 1)), []
    for boot in (sent.BOOT, OTHER):
        mine = [event for whose, event in share if whose == boot]
        for start in range(0, len(mine), 4):
            batch = sent.parsed(*mine[start : start + 4], boot=boot, first=next(firsts))
            works.append(Work(key, batch))
    for start in range(0, len(works), 2):
        for answer in ingest_together(works[start : start + 2]):
            if isinstance(answer, Exception):
                raise answer


if __name__ == "__main__":
    processes_make_of_any_history_what_one_would()
