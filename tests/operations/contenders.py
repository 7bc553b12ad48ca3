"""Brains that lease from one queue at the same time, each a process, and settle what they got."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial

import django

if __name__ == "__main__":
    django.setup()

from tests import sealed  # noqa: E402
from tests import wire as sent  # noqa: E402
from z4j_brain.agents.models import Agent, AgentKey  # noqa: E402
from z4j_brain.operations import outbox  # noqa: E402
from z4j_brain.operations.models import Command, Item, Operation  # noqa: E402
from z4j_brain.rbac.actor import SYSTEM  # noqa: E402
from z4j_brain.tasks import actions  # noqa: E402
from z4j_brain.tasks.ingest import ingest  # noqa: E402
from z4j_brain.tasks.models import Task  # noqa: E402

BRAINS = 4
OPERATIONS = 40


def prepare() -> None:
    """As many agents as brains, and more operations than any one of them would get alone."""
    key = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production")
    for number in range(BRAINS):
        ingest(key, sent.parsed(sent.online(1), boot=uuid.UUID(int=number + 1)))
    failed = [sent.event(seq, "task.failed", f"t{seq}") for seq in range(2, OPERATIONS + 2)]
    ingest(key, sent.parsed(*failed, boot=uuid.UUID(int=1)))
    for task in Task.objects.all():
        actions.retry(key.environment, [task.pk], actor=SYSTEM)
    Command.objects.update(audience=None)
    sealed.seal()


def contend(number: int, start: float) -> None:
    agent = Agent.objects.get(boot=uuid.UUID(int=number + 1))
    taken = []
    time.sleep(max(0.0, start - time.time()))
    while commands := outbox.lease(agent, limit=1):
        for command in commands:
            results = [{"item": target["item"], "outcome": "done"} for target in command["targets"]]
            told = {"v": 1, "boot": command["audience"], "command": command["id"], "fence": 1, "results": results}
            taken.append((command["id"], command["fence"], outbox.settle(agent, told)))  # type: ignore[arg-type]
    say({"taken": taken})


def tell() -> None:
    states = Operation.objects.values_list("state", flat=True)
    outcomes = Item.objects.values_list("outcome", flat=True)
    say({"operations": list(states), "items": list(outcomes)})


def say(told: object) -> None:
    """In one write, so that what several say at once does not mix."""
    os.write(1, f"{json.dumps(told)}\n".encode())


def apart(*works: Callable[[], None]) -> None:
    """Run these in processes of their own, at the same time: no two share a connection."""
    children = []
    for work in works:
        child = os.fork()
        if not child:
            work()
            os._exit(0)
        children.append(child)
    if any(os.waitpid(child, 0)[1] for child in children):
        sys.exit(1)


if __name__ == "__main__":
    apart(prepare)
    start = time.time() + 1
    apart(*(partial(contend, number, start) for number in range(BRAINS)))
    apart(tell)
