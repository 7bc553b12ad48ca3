"""An entry in the words of people: what was done, on what, how many, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from z4j_brain.ledger.states import Outcome, Phase

#: What the two parts of a name do not say by themselves.
_DONE = {
    "agent_key.mint": "Made an agent key",
    "agent_key.revoke": "Revoked an agent key",
    "environment.configure": "Changed settings",
    "environment.create": "Made an environment",
    "instance.offer_setup": "Offered to set up",
    "instance.set_up": "Set the instance up",
    "member.set_role": "Set a role",
    "project.create": "Made a project",
    "token.mint": "Made a token",
    "token.revoke": "Revoked a token",
    "user.create": "Made a person",
    "task.export": "Exported tasks",
    "task.retry_with": "Retry with changes",
    "engine.hello": "Sent a hello",
    "anchor.add": "Added an anchor",
    "anchor.configure": "Changed an anchor",
    "anchor.remove": "Removed an anchor",
    "siem.add": "Added a stream",
    "siem.pause": "Paused a stream",
    "siem.resume": "Resumed a stream",
    "siem.remove": "Removed a stream",
}
_TARGETS = {
    "agent_key": "agent key",
    "user": "person",
    "siem": "stream",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """How a page shows what became of something: icon, word and hue."""

    hue: str
    icon: str
    label: str


_OUTCOMES = {
    Outcome.ALLOWED: Mark("succeeded", "check", "allowed"),
    Outcome.SUCCEEDED: Mark("succeeded", "circle-check", "done"),
    Outcome.REFUSED: Mark("failed", "ban", "refused"),
    Outcome.FAILED: Mark("failed", "failed", "failed"),
    Outcome.UNKNOWN: Mark("lost", "circle-question-mark", "unknown"),
}


def action(name: str) -> str:
    """What an action is, from its name: `task.retry` is "Retry task"."""
    if name in _DONE:
        return _DONE[name]
    noun, _, verb = name.partition(".")
    return f"{verb} {target(noun)}".strip().replace("_", " ").capitalize()


def target(kind: str) -> str:
    return _TARGETS.get(kind, kind.replace("_", " "))


def phase(value: str) -> str:
    """Also of a phase that this release does not know."""
    return str(Phase(value).label) if value in Phase.values else value.replace("_", " ")


def outcome(value: str) -> Mark:
    return _OUTCOMES.get(Outcome(value), _PLAIN) if value in Outcome.values else Mark("lost", "circle", value)


_PLAIN = Mark("received", "circle", "recorded")
