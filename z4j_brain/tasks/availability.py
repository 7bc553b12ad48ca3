"""What may be done to a task just now, and the sentence that says why not."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext

from z4j_brain.agents.queries import Offer, reach
from z4j_brain.operations.serving import obstacle
from z4j_brain.rbac.access import decide
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks.judging import VERDICTS, WAITING
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import GIVEN_UP, TaskState, TaskVerb

VERBS = {
    TaskVerb.CANCEL: Permission.CANCEL,
    TaskVerb.REQUEUE: Permission.RETRY,
    TaskVerb.RETRY: Permission.RETRY,
    TaskVerb.RETRY_WITH: Permission.RUN,
    TaskVerb.MOVE: Permission.MANAGE_QUEUES,
}


@dataclass(frozen=True, slots=True)
class Availability:
    """`permitted`: it makes sense here, and the person may do it at all (else it is hidden). `possible`: it can be done
    now, else `reason`.
    """

    permitted: bool
    possible: bool
    reason: str = ""
    note: str = ""


def availability(actor: Actor, task: Task) -> dict[TaskVerb, Availability]:
    """For each verb whether it can be done to the task, in the order in which a person can do something about it."""
    able = reach(task.environment, task.engine)
    return {verb: _judge(actor, task, verb, able.offer(verb)) for verb in VERBS}


def _judge(actor: Actor, task: Task, verb: TaskVerb, offer: Offer) -> Availability:
    decision = decide(actor, VERBS[verb], task)
    if not decision.allow:
        return Availability(False, False, decision.reason)
    verdict = VERDICTS[verb](task) or obstacle(task.engine, verb, verb.label, offer)
    reason = verdict[1] if verdict else _pending(task, verb)
    return Availability(_belongs(task, verb, offer), not reason, reason, offer.note)


def _pending(task: Task, verb: TaskVerb) -> str:
    if verb == TaskVerb.CANCEL and task.cancel_requested_at is not None:
        return gettext("Cancel was requested; no worker has confirmed it yet.")
    return ""


def _belongs(task: Task, verb: TaskVerb, offer: Offer) -> bool:
    """A dead letter can be requeued; a failed task only where the engine keeps it as one. What waits can be moved."""
    if verb == TaskVerb.MOVE:
        return task.state in WAITING
    if verb != TaskVerb.REQUEUE:
        return True
    return task.state == TaskState.DEAD_LETTERED or (task.state in GIVEN_UP and offer.offered)
