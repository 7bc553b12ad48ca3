"""A brain for bench_poll.py: `python -m tests.bench.waiters ROLE AGENTS` runs it with so many agents enrolled.

A line "dispatch NUMBER" on stdin commits a command for that agent, as an action does, and tells on stdout which command
it was and when it was committed. The clock is the machine's, so that another process can compare.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "z4j_brain.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from django.db import connection, transaction  # noqa: E402

from tests import rows, sealed, wire  # noqa: E402
from z4j_brain import server  # noqa: E402
from z4j_brain.agents.models import Agent, AgentKey  # noqa: E402
from z4j_brain.lib import nudge  # noqa: E402
from z4j_brain.operations.models import Command  # noqa: E402
from z4j_brain.operations.states import CommandState  # noqa: E402

ENGINES = [{"name": "celery", "version": "5.7.0", "capabilities": wire.CAPABILITIES}]


def boot(number: int) -> uuid.UUID:
    return uuid.UUID(int=1_000_000 + number)


def enrol(count: int) -> None:
    key = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production")
    usual: dict[str, Any] = {"host": "box", "role": "worker", "engines": ENGINES, "allowed": ["retry", "cancel"]}
    known = set(Agent.objects.values_list("boot", flat=True))
    new = [number for number in range(count) if boot(number) not in known]
    Agent.objects.bulk_create(
        [
            Agent(environment_id=key.environment_id, key=key, boot=boot(number), name=f"w{number}", **usual)
            for number in new
        ],
        batch_size=500,
    )


def dispatch() -> None:
    key = AgentKey.objects.select_related("environment").get(
        environment__project__slug="harbor", environment__slug="production"
    )
    task = rows.task(key.environment)
    for line in sys.stdin:
        agent = Agent.objects.get(environment_id=key.environment_id, boot=boot(int(line.split()[1])))
        Command.objects.filter(state=CommandState.LEASED).update(state=CommandState.SETTLED)
        with transaction.atomic():
            operation = rows.operation(key.environment, [task], action="task.cancel")
            place = {"operation": operation, "environment": key.environment, "expires_at": operation.expires_at}
            command = Command.objects.create(engine="celery", verb="cancel", audience=agent, **place)
            operation.items.update(command=command)
            sealed.ask(command)
            nudge.wake_on_commit(key.environment_id)
        at = time.monotonic()
        sys.stdout.write(f"sent {command.pk} {at}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    role, agents = sys.argv[1:]
    enrol(int(agents))
    connection.close()
    threading.Thread(target=dispatch, daemon=True).start()
    getattr(server, role)()
