"""One thing of each kind in harbor's production, so that every page has something to show and to lead to.

Run as a module, it puts them into a brain's database.
"""

from __future__ import annotations

from datetime import timedelta

import django
from django.utils import timezone

if __name__ == "__main__":
    django.setup()

from tests import rows  # noqa: E402
from tests.alerts import furnished as alerts  # noqa: E402
from tests.issues import stage as issues  # noqa: E402
from tests.schedules import stage as schedules  # noqa: E402
from z4j_brain.rbac.models import Approval, Environment  # noqa: E402
from z4j_brain.schedules.models import Run  # noqa: E402
from z4j_brain.tasks.models import Task  # noqa: E402


def furnish(environment: Environment) -> None:
    rows.agent(environment)
    rows.worker(environment, concurrency={"kind": "prefork", "size": 2}, queues=["emails"])
    rows.queue(environment, depth=12, dead=2)
    rows.registered(environment)
    issue = issues.issue(environment)
    failed = _tasks(environment, issue.fingerprint)
    rows.operation(environment, failed)
    rows.awaiting(environment, failed[:1])
    rows.wish(environment)
    Approval.objects.update(expires_at=timezone.now() + timedelta(days=1))  # however slow the walk is
    rows.freeze(environment)
    rows.entry(environment)
    alerts.furnish(environment, "pager")
    _schedules(environment)


def _tasks(environment: Environment, issue: str) -> list[Task]:
    error = {"error_type": "SMTPServerDisconnected", "error_message": "timed out", "args": "(<int>,)", "issue": issue}
    failed = [rows.task(environment, **error) for _ in range(3)]
    for state in ("succeeded", "started", "queued", "retrying", "dead_lettered", "lost", "cancelled", "expired"):
        rows.task(environment, state=state)
    return failed


def _schedules(environment: Environment) -> None:
    now = timezone.now()
    own = schedules.own(environment)
    schedules.own(environment, "nightly", disabled_by="olive", disabled_reason="the sale", enabled=False)
    for hours in range(1, 5):
        at = now - timedelta(hours=hours)
        Run.objects.create(environment=environment, schedule=own, moment=at)


if __name__ == "__main__":
    furnish(Environment.objects.get(project__slug="harbor", slug="production"))
