"""Every address of the API, filled in with rows of one environment, whose every text carries the environment's mark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from tests import rows
from tests.alerts import furnished
from tests.issues import stage as failing
from tests.rbac import folk
from tests.schedules import stage
from tests.tasks import kept
from z4j_brain.agents.models import RedactionRule
from z4j_brain.operations.models import Item
from z4j_brain.rbac.models import Environment, Token

#: Addresses that stand below no environment.
INSTANCE = ("api-schema", "api-projects", "api-tokens", "api-log", "api-log-entry")
INSTANCE += ("api-checkpoint", "api-log-key", "api-consistency")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def names() -> list[str]:
    """The names of all addresses under /api/v1/, from the URL conf itself."""
    found = list(_named(get_resolver().url_patterns, ""))
    assert all(found), "every address of the API has a name"
    return sorted(found)


def _named(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for one in patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _named(one.url_patterns, path)
        elif path.startswith("api/"):
            yield one.name or ""


@dataclass
class Furnished:
    """An environment with one row of everything, full of canaries: the mark stands in every text."""

    environment: Environment
    mark: str
    keys: dict[str, Any]
    bodies: dict[str, Any]

    @classmethod
    def of(cls, environment: Environment, token: Token) -> Furnished:
        mark = f"canary-{environment.project.slug}-{environment.slug}"
        texts = ("name", "queue", "worker", "schedule", "group_id", "root_id", "parent_id", "trace_id")
        payload = ("args", "kwargs", "result", "error_type", "error_message", "traceback")
        rows.checkpoint()
        entry = rows.entry(environment, mark, target=("task", mark), private={"reason": mark})
        task = rows.task(environment, task_id=f"{mark}-id", **dict.fromkeys(texts + payload, mark))
        agent = rows.agent(environment, name=mark, host=mark, versions={"python": mark})
        rows.event(task, agent, "task.failed", timezone.now(), args=mark, worker=mark)
        worker = rows.worker(environment, name=mark, host=mark, queues=[mark], agent=agent)
        queue = rows.queue(environment, name=mark, paused_by=mark, paused_reason=mark)
        rows.registered(environment, name=mark, params=[[mark, "e", True]])
        operation = rows.operation(environment, [task], reason=mark, actor_name=mark)
        Item.objects.filter(operation=operation).update(detail=mark, new_task_id=mark)
        paused = rows.operation(environment, [task], reason=mark, actor_name=mark, state="paused")
        awaiting = rows.awaiting(environment, [task], reason=mark, actor_name=mark)
        freeze = rows.freeze(environment, reason=mark, set_by_name=mark)
        schedule = stage.furnished(environment, mark)
        issue = failing.furnished(environment, mark)
        rule, _ = RedactionRule.objects.get_or_create(
            project=environment.project, slug=f"{environment.slug}-rule", kind="text", match=mark, set_by_name=mark
        )
        keys = {
            "api-task": task.pk,
            "api-task-events": task.pk,
            "api-task-retry": task.pk,
            "api-task-cancel": task.pk,
            "api-task-requeue": task.pk,
            "api-agent": agent.pk,
            "api-queue": queue.pk,
            "api-worker": worker.pk,
            "api-operation": operation.pk,
            "api-operation-items": operation.pk,
            "api-operation-revealed": operation.pk,
            **{f"api-operation-{verb}": operation.pk for verb in ("pause", "cancel", "undo")},
            "api-operation-resume": paused.pk,
            **{f"api-operation-{verb}": awaiting.pk for verb in ("approve", "reject", "break-glass")},
            "api-approval": awaiting.approval.pk,
            "api-freeze": freeze.pk,
            "api-redaction-rule": rule.slug,
            **dict.fromkeys(("api-schedule", "api-schedule-runs"), schedule.pk),
            **{f"api-schedule-{verb}": schedule.pk for verb in ("enable", "disable", "run")},
            "api-issue": issue.fingerprint,
            **{f"api-issue-{verb}": issue.fingerprint for verb in ("assign", "resolve", "snooze", "reopen")},
            "api-token": token.pk,
            "api-entry": entry.pk,
            "api-log-entry": entry.pk,
        }
        bodies = {
            "api-settings": {"tasks_days": 40},
            "api-operations": {"action": "task.retry", "targets": [task.pk]},
            "api-operation-preview": {"action": "task.retry", "targets": [task.pk]},
            "api-operation-break-glass": {"reason": "it burns", "confirm": "break glass"},
            "api-approval-policy": {"minutes": 20},
            "api-redaction": {"mode": "shapes"},
            "api-redaction-test": {"value": "x"},
            "api-redaction-rules": {"id": "more", "kind": "name", "match": "customer ref"},
            "api-redaction-rule": {"kind": "name", "match": "customer ref"},
            "api-freezes": {"ends_at": "2099-01-01T00:00:00Z", "starts_at": "2098-12-31T00:00:00Z", "reason": "x"},
            "api-issue-assign": {"assignee": None},
            "api-tokens": {"name": "script", "scopes": ["view_metadata"]},
            "api-schedules": {"key": "new", "engine": "celery", "task": "shop.tidy", "cron": "0 3 * * *"},
            "api-schedule": {"queue": "slow"},
            "api-schedule-import": {"text": "0 3 * * * shop.tidy", "engine": "celery", "dry_run": True},
        }
        for furnish in (furnished.furnish, folk.furnish, kept.furnish):
            more, asked = furnish(environment, mark)
            keys |= more
            bodies |= asked
        return cls(environment, mark, keys, bodies)

    def address(self, name: str, key: Any = None) -> str:
        """The path of an address here, with a row of this place unless another `key` is given."""
        place = {"project": self.environment.project.slug, "environment": self.environment.slug}
        kwargs: dict[str, Any] = {} if name in INSTANCE else place
        if (other := folk.place(name, place["project"])) is not None:
            kwargs = other
        if name == "api-project":
            kwargs = {"slug": place["project"]}
        if name == "api-token":
            kwargs = {}
        if name in self.keys:
            kwargs |= {"pk": key or self.keys[name]}
        return reverse(name, kwargs=kwargs) + ("?from=0" if name == "api-consistency" else "")
