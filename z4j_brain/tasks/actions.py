"""What people ask for tasks: run them again, stop them, put dead letters back, send one to see whether it arrives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.http import Http404
from django.utils import timezone

from z4j_brain.agents import queries as agents
from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import AgentRole
from z4j_brain.fleet.models import Worker
from z4j_brain.operations import outbox
from z4j_brain.operations.idempotency import Claim
from z4j_brain.operations.models import Item, Operation
from z4j_brain.operations.states import ItemOutcome, ItemProgress
from z4j_brain.rbac.action import Record, action
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import GIVEN_UP, TERMINAL
from z4j_brain.tasks.targets import ENGINE, KIND


@action(Permission.RETRY, "task.retry")
def retry(
    environment: Environment,
    task_ids: Sequence[int],
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have these tasks run again, each under a new id, by an agent that keeps the originals of their arguments."""
    tasks = _tasks(environment, task_ids)
    operation = _open(environment, "task.retry", tasks, actor, reason, record, claim)
    ready = [task for task in tasks if task.state in TERMINAL]
    early = [task for task in tasks if task.state not in TERMINAL]
    _put(operation, early, ItemOutcome.FAILED, "It has not finished: there is nothing to retry yet.")
    groups: dict[tuple[str, Agent | None], list[Task]] = defaultdict(list)
    serving = _Serving(environment, "retry")
    for task in ready:
        groups[task.engine, serving.keeper(task)].append(task)
    return _send(operation, "retry", groups)


@action(Permission.CANCEL, "task.cancel")
def cancel(
    environment: Environment,
    task_ids: Sequence[int],
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Ask for these tasks to be stopped, queued or running. An event of the engine says whether they were."""
    tasks = _tasks(environment, task_ids)
    operation = _open(environment, "task.cancel", tasks, actor, reason, record, claim)
    going = [task for task in tasks if task.state not in TERMINAL]
    _put(operation, [task for task in tasks if task.state in TERMINAL], ItemOutcome.ALREADY_FINAL)
    Task.objects.filter(pk__in=[task.pk for task in going]).update(
        cancel_requested_at=timezone.now(), cancel_requested_by=actor.name[:255]
    )
    groups: dict[tuple[str, Agent | None], list[Task]] = defaultdict(list)
    serving = _Serving(environment, "cancel")
    for task in going:
        groups[task.engine, serving.runner(task)].append(task)
    record.nudge(environment.pk, KIND, [str(task.pk) for task in going])
    return _send(operation, "cancel", groups)


@action(Permission.RETRY, "task.requeue")
def requeue(
    environment: Environment,
    task_ids: Sequence[int],
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Put what the engine gave up and still keeps back into its queue, under its own id."""
    tasks = _tasks(environment, task_ids)
    operation = _open(environment, "task.requeue", tasks, actor, reason, record, claim)
    others = [task for task in tasks if task.state not in GIVEN_UP]
    _put(operation, others, ItemOutcome.FAILED, "The engine has not given it up: there is nothing to put back.")
    groups: dict[tuple[str, Agent | None], list[Task]] = defaultdict(list)
    for task in tasks:
        if task.state in GIVEN_UP:
            groups[task.engine, None].append(task)
    return _send(operation, "requeue", groups)


@action(Permission.VIEW, "task.export")
def export(
    environment: Environment,
    wanted: Mapping[str, str],
    form: str,
    *,
    payload: bool,
    actor: Actor,
    reason: str = "",
    record: Record,
) -> UUID:
    """Let a list leave as a file: the id of the entry that says who took what. Another one will say how much it was."""
    record.target("environment", environment.pk)
    record.params({"filter": dict(wanted), "format": form, "payload": payload})
    return record.entry_id


@action(Permission.MANAGE_AGENTS, "engine.hello")
def hello(
    environment: Environment,
    engines: Sequence[str],
    *,
    actor: Actor,
    reason: str = "",
    claim: Claim | None = None,
    record: Record,
) -> Operation:
    """Have a worker of each of these engines send a harmless task of ours, the way of every task."""
    operation = outbox.begin(environment, "engine.hello", ENGINE, engines, actor, reason, record)
    if claim is not None:
        claim.take(operation)
    for engine in engines:
        item = Item.objects.create(operation=operation, target_id=engine, label=engine)
        outbox.enqueue(operation, "hello", engine, [item], None)
    return outbox.sum_up(operation)


class _Serving:
    """The worker agents that answer now and can do this verb, and which of them suits a task best."""

    def __init__(self, environment: Environment, verb: str) -> None:
        rows = agents.answering(environment).filter(role=AgentRole.WORKER).order_by("-seen_at")[: agents.ASKED]
        self._by_vault: dict[tuple[str, str], Agent] = {}
        able = {}
        for agent in rows:
            for engine, offered in outbox.offers(agent):
                if offered == verb:
                    able[engine, agent.pk] = agent
                    self._by_vault.setdefault((engine, agent.vault), agent)
        workers = Worker.objects.filter(environment=environment, agent__in={pk for _, pk in able})
        self._by_worker = {
            (engine, name): able[engine, pk]
            for engine, name, pk in workers.values_list("engine", "name", "agent")
            if pk and (engine, pk) in able
        }

    def keeper(self, task: Task) -> Agent | None:
        """Who keeps the originals; None: whoever comes first."""
        return self._by_vault.get((task.engine, task.vault)) if task.vault else None

    def runner(self, task: Task) -> Agent | None:
        """Who is running it; None: whoever comes first."""
        return self._by_worker.get((task.engine, task.worker)) if task.worker else None


def _tasks(environment: Environment, task_ids: Sequence[int]) -> list[Task]:
    """The tasks, locked: what ingest says of them next comes after what is asked of them now."""
    rows = Task.objects.select_for_update().filter(environment=environment, pk__in=task_ids).order_by("id")
    tasks = list(rows.only("id", "engine", "task_id", "name", "state", "worker", "vault", "environment_id"))
    if not tasks or len(tasks) != len(set(task_ids)):
        raise Http404("There is no such task here.")
    return tasks


def _open(
    environment: Environment,
    name: str,
    tasks: list[Task],
    actor: Actor,
    reason: str,
    record: Record,
    claim: Claim | None,
) -> Operation:
    operation = outbox.begin(environment, name, KIND, [task.pk for task in tasks], actor, reason, record)
    if claim is not None:
        claim.take(operation)
    return operation


def _put(operation: Operation, tasks: list[Task], outcome: ItemOutcome | None = None, detail: str = "") -> list[Item]:
    """An item for each task; with an outcome when it is plain that nothing is to be done."""
    settled = {"progress": ItemProgress.SETTLED, "settled_at": timezone.now(), "outcome": outcome, "detail": detail}
    return Item.objects.bulk_create(
        Item(operation=operation, target_id=str(task.pk), label=task.name, **(settled if outcome else {}))
        for task in tasks
    )


def _send(operation: Operation, verb: str, groups: dict[tuple[str, Agent | None], list[Task]]) -> Operation:
    for (engine, audience), tasks in groups.items():
        outbox.enqueue(operation, verb, engine, _put(operation, tasks), audience)
    return outbox.sum_up(operation)
