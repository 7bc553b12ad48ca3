"""Whether a task can be run again and whether that does harm: what is known, line by line, before anybody presses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.agents import queries as agents
from z4j_brain.fleet import queries as fleet
from z4j_brain.operations import queries as operations
from z4j_brain.operations.serving import obstacle
from z4j_brain.tasks import judging, originals
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TaskState
from z4j_brain.tasks.verbs import COPIES, RETRY


class Tone(models.TextChoices):
    """How much a line should worry somebody. The hue is the task state that looks like it."""

    GOOD = "good", gettext_lazy("All right")
    DOUBT = "doubt", gettext_lazy("Think twice")
    BAD = "bad", gettext_lazy("In the way")

    @property
    def icon(self) -> str:
        return {"good": "circle-check", "doubt": "triangle-alert", "bad": "failed"}[self.value]

    @property
    def hue(self) -> str:
        return {"good": "succeeded", "doubt": "retrying", "bad": "failed"}[self.value]


@dataclass(frozen=True, slots=True)
class Line:
    """`code`: what it is about, for programs; `text`: a sentence."""

    code: str
    tone: Tone
    text: str


def verdict(task: Task) -> list[Line]:
    """What stands in the way of a retry, what to think of first, and what is all right; the gravest first."""
    lines = [*_state(task), *_engine(task), *_earlier(task), *_expiry(task), *_harm(task)]
    return sorted(lines, key=lambda line: -list(Tone).index(line.tone))


def _state(task: Task) -> Iterator[Line]:
    if blocked := judging.retry(task):
        yield Line("state", Tone.BAD, blocked[1])


def _engine(task: Task) -> Iterator[Line]:
    reach = agents.reach(task.environment, task.engine)
    offer = reach.offer(RETRY.asks)
    if blocked := obstacle(task.engine, RETRY.asks, RETRY.label, offer):
        yield Line("engine", Tone.BAD, blocked[1])
    elif offer.note:
        yield Line("engine", Tone.GOOD, f"{task.engine}: {offer.note}.")
    kept = agents.keeps(task.environment, task.engine, task.vault)
    told = operations.without_arguments(task.environment, [str(task.pk)]).get(str(task.pk))
    kid = originals.kids([task.pk]).get(task.pk, "")
    if kept:
        text = gettext("The original arguments are kept on the workers' side, by an agent that answers.")
        yield Line("arguments", Tone.GOOD, text)
    elif kid and agents.opens(task.environment, task.engine, kid):
        text = gettext(
            "The original arguments are sealed here, and a worker that has the key answers: it can retry the task."
        )
        yield Line("arguments", Tone.GOOD, text)
    elif told:
        yield Line(
            "arguments", Tone.BAD, gettext("An agent has looked for the arguments before: %(said)s") % {"said": told}
        )
    elif kid:
        text = gettext(
            "The original arguments are sealed here, and no worker that has the key answers. Start one, then retry."
        )
        yield Line("arguments", Tone.DOUBT, text)
    elif task.vault:
        text = gettext(
            "The agent that keeps the original arguments does not answer; another asks the engine's own store."
        )
        yield Line("arguments", Tone.DOUBT, text)
    else:
        text = gettext("No agent said that it keeps the original arguments; the engine's own store is asked.")
        yield Line("arguments", Tone.DOUBT, text)


def _earlier(task: Task) -> Iterator[Line]:
    mine = str(task.pk)
    if going := operations.asked_already(task.environment, COPIES, [mine]).get((mine, "")):
        text = gettext("%(who)s has asked for a retry already, and it is not settled yet.")
        yield Line("asked", Tone.BAD, text % {"who": going.actor_name})
    if again := str(getattr(task, "retried_as", None) or ""):
        who = operations.maker(task.environment, mine, again)
        text = gettext("It was retried already, as %(id)s: another retry makes another task.") % {"id": again}
        if who:
            text = gettext("It was retried already by %(who)s, as %(id)s: another retry makes another task.")
            text %= {"who": who.actor_name, "id": again}
        yield Line("retried", Tone.DOUBT, text)


def _expiry(task: Task) -> Iterator[Line]:
    if task.expires is not None and task.expires <= timezone.now():
        text = gettext("It was not to run after its expiry, which has passed. See whether it still makes sense.")
        yield Line("expired", Tone.DOUBT, text)


def _harm(task: Task) -> Iterator[Line]:
    known = fleet.registered(task.environment, task.engine, task.name)
    if known is not None and known.idempotent:
        yield Line("idempotent", Tone.GOOD, gettext("Marked idempotent in its code: running it twice does no harm."))
    elif task.state == TaskState.SUCCEEDED:
        text = gettext("It has succeeded, and nothing marks it idempotent: what it did is done again.")
        yield Line("idempotent", Tone.DOUBT, text)
    elif task.started_at is not None:
        text = gettext(
            "It had started, and nothing marks it idempotent: what it did before it ended may be done again."
        )
        yield Line("idempotent", Tone.DOUBT, text)
