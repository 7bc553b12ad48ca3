"""What the tasks list costs at 100,000 rows, over the API and in the panel: CPU, bytes and queries a request."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta

import django

FOLDER = tempfile.TemporaryDirectory(prefix="z4j-bench-")
os.environ |= {"Z4J_DATA_DIR": FOLDER.name, "Z4J_DATABASE_URL": "", "DJANGO_SETTINGS_MODULE": "z4j_brain.settings"}
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from tests.cast import Cast  # noqa: E402
from z4j_brain.tasks.models import Task  # noqa: E402

TASKS = 100_000
ROUNDS = 30
API, PANEL = "/api/v1/harbor/production/tasks/", "/harbor/production/tasks/?since=all"
CASES = {
    "api_list": API,
    "api_failed": f"{API}?state=failed",
    "api_name": f"{API}?name=shop.task_7",
    "api_id": f"{API}?search=task-77777",
    "api_search": f"{API}?search=task_7",
    "api_full_page": f"{API}?page_size=200",
    "panel_list": PANEL,
    "panel_failed": f"{PANEL}&state=failed",
}


@dataclass
class Cost:
    cpu_ms: float
    bytes: int
    queries: int


def main() -> None:
    call_command("migrate", verbosity=0)
    cast = Cast.create()
    fill(cast)
    client = Client(SERVER_NAME="localhost")
    client.force_login(cast.user("oscar"), backend="django.contrib.auth.backends.ModelBackend")
    found: dict[str, float] = {}
    print(f"{'':<14} {'CPU ms':>8} {'bytes':>9} {'queries':>8}   of {TASKS:,} tasks on SQLite")
    for name, path in CASES.items():
        cost = cost_of(client, path)
        print(f"{name:<14} {cost.cpu_ms:>8.1f} {cost.bytes:>9,} {cost.queries:>8}")
        found |= {f"{name}_cpu_ms": round(cost.cpu_ms, 1), f"{name}_bytes": cost.bytes, f"{name}_queries": cost.queries}
    print(json.dumps(found))


def fill(cast: Cast) -> None:
    now = timezone.now()
    for start in range(0, TASKS, 2_000):
        Task.objects.bulk_create(
            Task(environment=cast.production, first_at=now - timedelta(seconds=TASKS - n), last_at=now, **fields(n))
            for n in range(start, start + 2_000)
        )


def fields(n: int) -> dict[str, object]:
    failed = n % 25 == 0
    return {
        "engine": "celery",
        "task_id": f"task-{n}",
        "name": f"shop.task_{n % 40}",
        "queue": f"queue-{n % 6}",
        "worker": f"mail-{n % 4}",
        "state": "failed" if failed else "succeeded",
        "retry_of": f"task-{n - 1}" if n % 50 == 1 else "",
        "args": "(<int>, <str 36>)" * 10,
        "kwargs": "{'order': <int>, 'customer': <dict 4>}" * 5,
        "result": "<dict 3>" * 5,
        "runtime_ms": float(n % 900),
        "error_type": "SMTPServerDisconnected" if failed else "",
        "error_message": "Connection unexpectedly closed: timed out" if failed else "",
        "traceback": 'File "shop/tasks.py", line 88, in send\n' * 40 if failed else "",
    }


def cost_of(client: Client, path: str) -> Cost:
    """The median of some requests by somebody who is signed in, after one that warms up."""
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
    queries = len(captured)
    assert answer.status_code == 200, (path, answer.status_code)
    spent = []
    for _ in range(ROUNDS):
        before = time.process_time()
        client.get(path)
        spent.append((time.process_time() - before) * 1000)
    return Cost(statistics.median(spent), len(answer.content), queries)


if __name__ == "__main__":
    main()
