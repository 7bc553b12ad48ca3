"""An entry in the words of people: what was done, on what, how many, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import pgettext_lazy

from z4j_brain.ledger.states import Outcome, Phase

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

#: What the two parts of a name do not say by themselves.
_SAID = {
    "agent_key.mint": "Make an agent key",
    "agent_key.revoke": "Revoke an agent key",
    "environment.configure": "Change settings",
    "environment.create": "Make an environment",
    "instance.offer_setup": "Offer to set up",
    "instance.set_up": "Set the instance up",
    "member.set_role": "Set a role",
    "project.create": "Make a project",
    "token.mint": "Make a token",
    "token.revoke": "Revoke a token",
    "user.create": "Make a person",
    "task.export": "Export tasks",
    "task.show": "Show values",
    "task.retry_with": "Retry with changes",
    "engine.hello": "Send a hello",
    "redaction.set_policy": "Change what agents tell",
    "redaction.set_rule": "Set a redaction rule",
    "redaction.remove_rule": "Remove a redaction rule",
    "anchor.add": "Add an anchor",
    "anchor.remove": "Remove an anchor",
    "siem.add": "Add a stream",
    "siem.pause": "Pause a stream",
    "siem.resume": "Resume a stream",
    "siem.remove": "Remove a stream",
    "audit.export": "Export the log",
    "audit.erase": "Erase personal data",
    "audit.prune": "Prune the log",
    "audit.hold": "Hold the log",
    "audit.lift_hold": "Lift the hold",
    "alert_channel.add": "Add a channel of alerts",
    "alert_channel.edit": "Change a channel of alerts",
    "alert_channel.remove": "Remove a channel of alerts",
    "alert_channel.test": "Test a channel of alerts",
    "alert_delivery.resend": "Send an alert again",
    "session.begin": "Sign in",
    "session.end": "Sign out",
}
_TARGETS = {
    "agent_key": "agent key",
    "redaction_rule": "redaction rule",
    "user": "person",
    "siem": "stream",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """How a page shows what became of something: icon, word and hue."""

    hue: str
    icon: str
    label: StrOrPromise


_OUTCOMES = {
    Outcome.ALLOWED: Mark("received", "check", pgettext_lazy("outcome", "allowed")),
    Outcome.SUCCEEDED: Mark("succeeded", "circle-check", pgettext_lazy("outcome", "done")),
    Outcome.PENDING: Mark("scheduled", "hourglass", pgettext_lazy("outcome", "waits for approval")),
    Outcome.REFUSED: Mark("failed", "ban", pgettext_lazy("outcome", "refused")),
    Outcome.FAILED: Mark("failed", "failed", pgettext_lazy("outcome", "failed")),
    Outcome.UNKNOWN: Mark("lost", "circle-question-mark", pgettext_lazy("outcome", "unknown")),
}


def action(name: str) -> str:
    """What an action is, from its name: `task.retry` is "Retry task"."""
    if name in _SAID:
        return _SAID[name]
    noun, _, verb = name.partition(".")
    return f"{verb} {target(noun)}".strip().replace("_", " ").capitalize()


def target(kind: str) -> str:
    return _TARGETS.get(kind, kind.replace("_", " "))


def phase(value: str) -> str:
    """Also of a phase that this release does not know."""
    return str(Phase(value).label) if value in Phase.values else value.replace("_", " ")


def outcome(value: str) -> Mark:
    return _OUTCOMES.get(Outcome(value), _PLAIN) if value in Outcome.values else Mark("lost", "circle", value)


_PLAIN = Mark("received", "circle", pgettext_lazy("outcome", "recorded"))
