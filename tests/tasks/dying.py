"""A brain's process that dies over a task named poison: ingests one batch with the given number of tries, then tells."""

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

_whole = folding.fold


def fold(row: Any, events: Any) -> Any:
    events = list(events)
    if any(event.get("name") == "poison" for _, event in events):
        os._exit(9)
    return _whole(row, events)


if __name__ == "__main__":
    folding.fold = fold
    batch = sent.parsed(
        sent.event(1), sent.event(2, task_id="t2", name="poison"), sent.event(3, task_id="t3"), boot=sent.BOOT
    )
    key = AgentKey.objects.get(environment__project__slug="harbor", environment__slug="production")
    answer = ingest(key, batch, int(sys.argv[1]))
    told = {
        "answer": answer,
        "tasks": sorted(Task.objects.values_list("task_id", flat=True)),
        "quarantined": list(Quarantined.objects.values_list("seq", "code")),
        "suspects": Suspect.objects.count(),
    }
    json.dump(told, sys.stdout)
