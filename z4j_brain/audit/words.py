"""An entry in the words of people: what was done, on what, how many, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import pgettext_lazy

from z4j_brain.audit import named
from z4j_brain.ledger.states import Outcome, Phase

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


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
    """What an action is; from its name where this release knows none: `task.retry` is "Retry task"."""
    if name in named.ACTIONS:
        return str(named.ACTIONS[name])
    noun, _, verb = name.partition(".")
    return f"{verb} {target(noun)}".strip().replace("_", " ").capitalize()


def target(kind: str) -> str:
    return str(named.TARGETS.get(kind, kind.replace("_", " ")))


def phase(value: str) -> str:
    """Also of a phase that this release does not know."""
    return str(Phase(value).label) if value in Phase.values else value.replace("_", " ")


def outcome(value: str) -> Mark:
    return _OUTCOMES.get(Outcome(value), _PLAIN) if value in Outcome.values else Mark("lost", "circle", value)


_PLAIN = Mark("received", "circle", pgettext_lazy("outcome", "recorded"))
