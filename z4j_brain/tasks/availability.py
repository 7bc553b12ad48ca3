"""What may be done to a task just now, and the sentence that says why not."""

from __future__ import annotations

from dataclasses import dataclass

from z4j_brain.agents.queries import Offer, reach
from z4j_brain.rbac.access import decide
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import GIVEN_UP, TERMINAL, TaskState, TaskVerb

VERBS = {
    TaskVerb.CANCEL: Permission.CANCEL,
    TaskVerb.REQUEUE: Permission.RETRY,
    TaskVerb.RETRY: Permission.RETRY,
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
    decision = decide(actor, VERBS[verb], task.environment)
    if not decision.allow:
        return Availability(False, False, decision.reason)
    reason = _BLOCKED[verb](task) or _offer_blocked(verb, task.engine, offer)
    return Availability(_belongs(task, verb, offer), not reason, reason, offer.note)


def _belongs(task: Task, verb: TaskVerb, offer: Offer) -> bool:
    """A dead letter can be requeued; a failed task only where the engine keeps it as one."""
    if verb != TaskVerb.REQUEUE:
        return True
    return task.state == TaskState.DEAD_LETTERED or (task.state in GIVEN_UP and offer.offered)


def _retry_blocked(task: Task) -> str:
    if task.state in TERMINAL:
        return ""
    return f"{TaskState(task.state).label}, not finished: there is nothing to retry yet."


def _cancel_blocked(task: Task) -> str:
    if task.state == TaskState.LOST:
        return "Probably lost: no worker says that it has it."
    if task.state in TERMINAL:
        return f"Already {TaskState(task.state).label.lower()}, nothing to cancel."
    if task.cancel_requested_at is not None:
        return "Cancel was requested; no worker has confirmed it yet."
    return ""


def _requeue_blocked(task: Task) -> str:
    if task.state in GIVEN_UP:
        return ""
    return f"{TaskState(task.state).label}: only what the engine gave up can go back into its queue."


_BLOCKED = {
    TaskVerb.CANCEL: _cancel_blocked,
    TaskVerb.REQUEUE: _requeue_blocked,
    TaskVerb.RETRY: _retry_blocked,
}


def _offer_blocked(verb: TaskVerb, engine: str, offer: Offer) -> str:
    if not offer.online:
        return f"No {engine} worker with an agent has answered for 60 s. Start one, then try again."
    if not offer.offered:
        return offer.reason or f"The agents of {engine} cannot {verb} a task."
    if not offer.allowed:
        return offer.reason or f"{verb.label} is refused by the workers' own settings (Z4J_ALLOW)."
    return ""
