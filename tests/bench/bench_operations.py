"""What one click on 10,000 failed tasks costs the brain, among 100,000 others, and how fast it hands them out.

Preview: the answer of `asking.preview`. Run: from the filter to the committed operation, its items and its commands.
Dispatch and settle: two agents in turn lease commands of 200 and answer each target, in this process, one after the
other, as the gateway would have it done. Memory is what this process has grown by at most, meanwhile.
`Z4J_TEST_STORE=postgres` chooses one store; without it both are measured.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from django.db import connection, connections  # noqa: E402
from z4j_core import wire  # noqa: E402

from tests import rows as made  # noqa: E402
from tests.bench import million  # noqa: E402
from tests.bench.rows import Row, at_most, of_both_stores, reaching, shown, tell  # noqa: E402
from tests.store import open_store  # noqa: E402
from z4j_brain.agents.models import Agent  # noqa: E402
from z4j_brain.operations import asking, outbox  # noqa: E402
from z4j_brain.operations.models import Operation  # noqa: E402
from z4j_brain.rbac.actor import Actor  # noqa: E402
from z4j_brain.rbac.models import Environment, User  # noqa: E402
from z4j_brain.tasks.models import Task  # noqa: E402

CLICKED = 10_000
OTHERS = 100_000
ASKED: dict[str, Any] = {"action": "task.retry", "filter": {"state": "failed"}}


def main(kind: str) -> list[Row]:
    place = Environment.objects.get(project__slug="harbor", slug="production")
    actor = Actor.of_user(User.objects.get(username="oscar"))
    agents = [made.agent(place, name=f"w{number}") for number in range(2)]
    prepare(place)
    before = resident()
    previewed, preview = timed(lambda: asking.preview(place, actor, asking.read(place, actor, ASKED)))
    assert len(preview.plan.able) == CLICKED
    del preview
    run, operation = timed(lambda: asking.run(place, actor, asking.read(place, actor, ASKED), "bench"))
    peak = resident()
    sent, most = timed(lambda: send(agents))
    peak = max(peak, most)
    operation.refresh_from_db()
    assert (operation.state, operation.succeeded) == ("succeeded", CLICKED), operation.state
    what = f"{kind}: {CLICKED:,} of {CLICKED + OTHERS:,} tasks"
    return [
        at_most(f"{what}: preview", previewed, "s", 2),
        at_most(f"{what}: run, until it is committed", run, "s", 2),
        reaching(f"{what}: dispatched and settled", CLICKED / sent, "targets/s", 500),
        shown(f"{what}: one command, both ways", sent / (CLICKED / 200) * 1000, "ms"),
        at_most(f"{what}: memory grows by", peak - before, "MB", 64),
    ]


def prepare(place: Environment) -> None:
    """So many failed, in one hour of many days."""
    million.fill(place, 1, OTHERS, OTHERS)
    Task.objects.filter(state="failed").update(state="succeeded")
    ids = list(Task.objects.filter(state="succeeded").order_by("-id").values_list("pk", flat=True)[:CLICKED])
    for start in range(0, CLICKED, 1_000):
        Task.objects.filter(pk__in=ids[start : start + 1_000]).update(state="failed", error_type="OSError")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def send(agents: list[Agent]) -> float:
    """Everything that is queued, until nothing is: the most memory that it took, MB."""
    most = 0.0
    while commands := [(agent, command) for agent in agents for command in outbox.lease(agent, 4)]:
        for agent, command in commands:
            outbox.settle(agent, answer(agent, command))
        most = max(most, resident())
    return most


def answer(agent: Agent, command: wire.Command) -> wire.Results:
    return wire.Results(
        v=wire.VERSION,
        boot=str(agent.boot),
        command=command["id"],
        fence=command["fence"],
        results=[
            wire.Result(item=one["item"], outcome="done", detail="", new_task_id=f"{command['id']}-{one['item']}")
            for one in command["targets"]
        ],
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def resident() -> float:
    """MB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


if __name__ == "__main__":
    if kind := os.environ.get("Z4J_TEST_STORE"):
        with tempfile.TemporaryDirectory() as folder:
            store = open_store(Path(folder) / "store")
            store.clone("operations", cast=True)
            connections.settings["default"].update(store.django("operations"))
            found = main(kind)
            assert Operation.objects.count() == 1
            connections.close_all()
            store.close()
        tell(found)
    else:
        tell(of_both_stores(__file__))
