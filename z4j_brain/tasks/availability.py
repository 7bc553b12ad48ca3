"""What may be done to a task just now, and the sentence that says why not."""

from __future__ import annotations

from dataclasses import dataclass

from z4j_brain.agents.queries import Offer, reach
from z4j_brain.rbac.access import decide
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TERMINAL, TaskState

VERBS = {"retry": Permission.RETRY, "cancel": Permission.CANCEL}


@dataclass(frozen=True, slots=True)
class Availability:
    """`permitted`: the person may do it at all (else it is hidden). `possible`: it can be done now, else `reason`."""

    permitted: bool
    possible: bool
    reason: str = ""
    note: str = ""


def availability(actor: Actor, task: Task) -> dict[str, Availability]:
    """For each verb whether it can be done to the task, in the order in which a person can do something about it."""
    able = reach(task.environment, task.engine)
    return {verb: _judge(actor, task, verb, able.offer(verb)) for verb in VERBS}


def _judge(actor: Actor, task: Task, verb: str, offer: Offer) -> Availability:
    decision = decide(actor, VERBS[verb], task.environment)
    if not decision.allow:
        return Availability(False, False, decision.reason)
    reason = _retry_blocked(task) if verb == "retry" else _cancel_blocked(task)
    reason = reason or _offer_blocked(verb, task.engine, offer)
    return Availability(True, not reason, reason, offer.note)


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


def _offer_blocked(verb: str, engine: str, offer: Offer) -> str:
    if not offer.online:
        return f"No {engine} worker with an agent has answered for 60 s. Start one, then try again."
    if not offer.offered:
        return f"The agents of {engine} cannot {verb} a task."
    if not offer.allowed:
        return f"{verb.capitalize()} is refused by the workers' own settings (Z4J_ALLOW)."
    return ""
