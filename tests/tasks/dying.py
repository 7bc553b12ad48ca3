"""A brain whose processes die over a task named poison: each try at one batch is a process of its own, which tells."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from z4j_core import fold as folding  # noqa: E402

from tests import wire as sent  # noqa: E402
from z4j_brain.agents.models import AgentKey, Quarantined, Suspect  # noqa: E402
from z4j_brain.tasks.ingest import ingest  # noqa: E402
from z4j_brain.tasks.models import Task  # noqa: E402

DEATH = 9
_whole = folding.fold


def fold(row: Any, events: Any) -> Any:
    events = list(events)
    if any(event.get("name") == "poison" for _, event in events):
        os._exit(DEATH)
    return _whole(row, events)


def tell(tries: int) -> None:
    """Ingest, and print what became of it; nothing is printed by one who dies."""
    events = [sent.event(1), sent.event(2, task_id="t2", name="poison"), sent.event(3, task_id="t3")]
    key = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production")
    answer = ingest(key, sent.parsed(*events, boot=sent.BOOT), tries)
    told = {
        "tries": tries,
        "answer": answer,
        "tasks": sorted(Task.objects.values_list("task_id", flat=True)),
        "quarantined": list(Quarantined.objects.values_list("seq", "code")),
        "suspects": Suspect.objects.count(),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    folding.fold = fold
    for tries in range(1, int(sys.argv[1]) + 1):
        child = os.fork()
        if not child:
            tell(tries)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status not in (0, DEATH):
            sys.exit(status)
