"""What can be done with which engine, as the agents of an environment say it: the table people read before they ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext, gettext_lazy
from z4j_core.verbs import READS, SCHEDULER_READS, SCHEDULER_WORDS, WORDS, Support

from z4j_brain.agents.queries import Reach, Voice


class Ability(models.TextChoices):
    """How well an engine can do something here. The hue is the task state that looks like it."""

    NATIVE = "native", gettext_lazy("Native")
    EMULATED = "emulated", gettext_lazy("Emulated")
    REFUSED = "refused", gettext_lazy("Not allowed")
    NONE = "none", gettext_lazy("Not possible")

    @property
    def icon(self) -> str:
        return _LOOKS[self][0]

    @property
    def hue(self) -> str:
        return _LOOKS[self][1]

    @property
    def meaning(self) -> str:
        return str(_LOOKS[self][2])


_LOOKS = {
    Ability.NATIVE: ("circle-check", "succeeded", gettext_lazy("the engine's own API does it")),
    Ability.EMULATED: ("circle-dot", "received", gettext_lazy("the adapter does it by other means")),
    Ability.REFUSED: ("lock", "retrying", gettext_lazy("the engine could; the workers' own settings do not let it")),
    Ability.NONE: ("minus", "skipped", gettext_lazy("it cannot be done; the engine's own page says why")),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One verb or read of one engine: how well, and the note or the reason."""

    engine: str
    ability: Ability
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One verb or read, in the words of people, over all engines."""

    verb: str
    words: str
    cells: tuple[Cell, ...]


def lines(engines: Sequence[Reach]) -> list[Line]:
    """Of engines, or of schedulers: not of both at once."""
    told = SCHEDULER_WORDS if any(one.is_scheduler for one in engines) else WORDS
    return [Line(verb, gettext(words), tuple(cell(engine, verb) for engine in engines)) for verb, words in told.items()]


def cell(engine: Reach, verb: str) -> Cell:
    """Workers of one engine may differ: what some can do is told, with what the others say."""
    able = [voice for voice in engine.voices if verb in voice.capabilities]
    if not able:
        reason = next((voice.missing[verb] for voice in engine.voices if voice.missing.get(verb)), "")
        return Cell(engine.engine, Ability.NONE, reason)
    if verb not in (*READS, *SCHEDULER_READS) and not any(verb in voice.allowed for voice in able):
        return Cell(engine.engine, Ability.REFUSED, next((v.refused[verb] for v in able if verb in v.refused), ""))
    told = able[0].capabilities[verb]
    text = str(told.get("note") or "")
    if others := [voice for voice in engine.voices if voice not in able]:
        text = f"{text or 'possible'}; not on every worker: {_why(others, verb)}"
    ability = Ability.EMULATED if told.get("support") == Support.EMULATED else Ability.NATIVE
    return Cell(engine.engine, ability, text)


def _why(voices: Sequence[Voice], verb: str) -> str:
    return next((voice.missing[verb] for voice in voices if voice.missing.get(verb)), "it does not offer this.")
