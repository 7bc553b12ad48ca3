"""A crowd of everything in an environment: rows that differ in all their texts, and many that belong to one thing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests import rows
from tests.alerts import furnished
from tests.issues import stage as failing
from tests.rbac.places import Furnished
from tests.schedules import stage
from z4j_brain.agents.models import Agent, AgentKey, RedactionRule
from z4j_brain.operations.models import Item
from z4j_brain.rbac.granted import Grant, Group, GroupMember, Invitation
from z4j_brain.rbac.models import Membership, Token, User
from z4j_brain.rbac.states import Permission, Role
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.schedules.states import RunState
from z4j_brain.tasks.models import Task

#: Most of a list still has something to be asked about; the others have ended well, or are on their way.
STATES = ("failed", "failed", "succeeded", "started", "queued", "dead_lettered", "lost")

#: A project has at most fifty.
MOST_RULES = 45


def furnish(place: Furnished, numbers: range) -> None:
    """One more of everything for each number, and one more of what hangs on the furnished rows."""
    for number in numbers:
        task = _task(place, number, _fleet(place, number), _people(place, number))
        _operations(place, number, task)
        _schedules(place, number)
        _rules(place, number)


def _fleet(place: Furnished, number: int) -> Agent:
    here, heard = place.environment, timezone.now()
    soon = heard + timedelta(days=30)
    AgentKey.objects.create(environment=here, name=f"key-{number}", kid=f"key-{number:012d}", expires_at=soon)
    agent = rows.agent(here, name=f"agent-{number}", host=f"box-{number}", pid=number)
    rows.worker(here, name=f"worker-{number}", host=f"box-{number}", queues=[f"queue-{number}"], agent=agent)
    rows.queue(here, name=f"queue-{number}", dead=number % 3)
    rows.registered(here, name=f"shop.task_{number}")
    return agent


def _task(place: Furnished, number: int, agent: Agent, person: User) -> Task:
    here = place.environment
    of = Task.objects.get(pk=place.keys["api-task"])
    told = {"name": f"shop.task_{number}", "queue": f"queue-{number}", "worker": f"worker-{number}"}
    told |= {"state": STATES[number % len(STATES)], "error_type": f"Refused{number}", "error_message": "timed out"}
    task = rows.task(here, **told, schedule=f"schedule-{number}")
    rows.event(task, agent, "task.failed", task.last_at)
    rows.event(of, agent, "task.failed", task.last_at)
    rows.task(here, **told, parent_id=of.task_id, root_id=of.root_id, group_id=of.group_id, retry_of=of.task_id)
    failing.issue(here, name=task.name, error_type=task.error_type, sample=task.pk, assignee=person)
    return task


def _operations(place: Furnished, number: int, task: Task) -> None:
    here = place.environment
    rows.operation(here, [task], actor_name=f"person-{number}")
    rows.awaiting(here, [task], actor_name=f"person-{number}")
    rows.wish(here, by_owners=bool(number % 2))
    Item.objects.create(operation_id=place.keys["api-operation"], target_id=str(task.pk), label=task.name)
    rows.freeze(here, reason=f"sale {number}", set_by_name=f"person-{number}")
    for target in (task.pk, place.keys["api-task"]):
        rows.entry(here, f"person-{number}", target=("task", str(target)))


def _schedules(place: Furnished, number: int) -> None:
    here, moment = place.environment, timezone.now() - timedelta(hours=number)
    schedule = stage.schedule(here, f"schedule-{number}", task=f"shop.task_{number}", queue=f"queue-{number}")
    for one in (schedule, Schedule.objects.get(pk=place.keys["api-schedule"])):
        told: dict[str, Any] = {"moment": moment, "state": RunState.FAILED, "task_id": f"task-of-{number}"}
        Run.objects.create(environment=here, schedule=one, **told)


def _rules(place: Furnished, number: int) -> None:
    here = place.environment
    furnished.furnish(here, f"alert-{number}")
    if number < MOST_RULES:
        name = f"rule-{number}"
        RedactionRule.objects.create(project=here.project, slug=name, kind="text", match=name, set_by_name="olive")


def _people(place: Furnished, number: int) -> User:
    here: dict[str, Any] = {"project": place.environment.project, "environment": place.environment}
    soon = timezone.now() + timedelta(days=1)
    user = User.objects.create(username=f"person-{number}")
    Membership.objects.create(user=user, role=Role.VIEWER, **here)
    group = Group.objects.create(name=f"group-{number}", claim=f"group-{number}")
    GroupMember.objects.create(group=group, user=user)
    about = {"permission": Permission.RETRY, "reason": "on call", "granted_by": "olive"}
    for who in ({"group": group}, {"user": user}):
        Grant.objects.create(**who, **about, queue_glob=f"queue-{number}", **here)
    Invitation.objects.create(
        sent_to=f"friend-{number}", role=Role.VIEWER, link_hash=Invitation.digest(str(number)), expires_at=soon, **here
    )
    kid = f"token-{number:010d}"
    Token.objects.create(name=f"ci-{number}", kid=kid, scopes=[Permission.VIEW], expires_at=soon, **here)
    return user
