"""How schedules say when, what they are, and what becomes of their due times: words, icons and hues of the panel."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy, pgettext_lazy

#: The source of the schedules that z4j keeps itself; all others are names of schedulers.
OWN = "z4j"


class Plan(models.TextChoices):
    """How a schedule says when: see `z4j_core.timetable.Plan`."""

    CRON = "cron", gettext_lazy("Cron")
    INTERVAL = "interval", gettext_lazy("Interval")
    ONCE = "once", pgettext_lazy("plan", "Once")
    OTHER = "other", gettext_lazy("As its scheduler works it out")


class Definition(models.TextChoices):
    """Where a schedule is written down: see `z4j_core.timetable.Definition`."""

    CODE = "code", gettext_lazy("In code")
    STORE = "store", gettext_lazy("In a store")


class CatchUp(models.TextChoices):
    """What becomes of due times that passed while one of z4j's own schedules could not be sent."""

    SKIP = "skip", gettext_lazy("Skip them")
    ONCE = "once", gettext_lazy("Run once for all of them")
    ALL = "all", gettext_lazy("Run every one of them")


class Overlap(models.TextChoices):
    """What one of z4j's own schedules does when it is due and its last run has not finished."""

    ALLOW = "allow", gettext_lazy("Run it beside the other")
    SKIP = "skip", gettext_lazy("Skip it")


class ScheduleState(models.TextChoices):
    """What a schedule is. `gone`: its scheduler has it no more."""

    ACTIVE = "active", gettext_lazy("Enabled")
    DISABLED = "disabled", gettext_lazy("Disabled")
    GONE = "gone", pgettext_lazy("schedule", "Gone")

    @property
    def icon(self) -> str:
        """The symbol in static/vendor/lucide/icons.svg."""
        return _STATES[self][0]

    @property
    def hue(self) -> str:
        """The task state that looks like it: each hue has one place in tokens.css."""
        return _STATES[self][1]


_STATES = {
    ScheduleState.ACTIVE: ("circle-check", "succeeded"),
    ScheduleState.DISABLED: ("circle-pause", "cancelled"),
    ScheduleState.GONE: ("circle-question-mark", "lost"),
}


class RunState(models.TextChoices):
    """What became of one due time, or of one task that a schedule sent.

    `pending`: sent, and the task has not finished. `missed`: its scheduler was alive and did not send it. `unknown`:
    nobody told that it was sent, and nobody knows whether its scheduler was alive. `reported`: it could not be sent.
    """

    PENDING = "pending", pgettext_lazy("run", "Fired")
    OK = "ok", gettext_lazy("Succeeded")
    FAILED = "failed", gettext_lazy("Failed")
    MISSED = "missed", gettext_lazy("Missed")
    UNKNOWN = "unknown", gettext_lazy("Unknown")
    SKIPPED = "skipped", gettext_lazy("Skipped")
    REPORTED = "reported", gettext_lazy("Not sent")

    @property
    def icon(self) -> str:
        """The symbol in static/vendor/lucide/icons.svg."""
        return _RUNS[self][0]

    @property
    def hue(self) -> str:
        """The task state that looks like it: each hue has one place in tokens.css."""
        return _RUNS[self][1]


_RUNS = {
    RunState.PENDING: ("circle-play", "started"),
    RunState.OK: ("circle-check", "succeeded"),
    RunState.FAILED: ("failed", "failed"),
    RunState.MISSED: ("triangle-alert", "expired"),
    RunState.UNKNOWN: ("circle-question-mark", "lost"),
    RunState.SKIPPED: ("skip-forward", "skipped"),
    RunState.REPORTED: ("circle-minus", "rejected"),
}

TERMINAL = frozenset(RunState) - {RunState.PENDING}
#: A task was sent.
FIRED = frozenset({RunState.PENDING, RunState.OK, RunState.FAILED})
#: Something that should have happened did not, or went wrong.
TROUBLE = frozenset({RunState.FAILED, RunState.MISSED, RunState.UNKNOWN, RunState.REPORTED})
#: Of a due time that nobody has told of: what is told of it later takes its place.
GUESSED = frozenset({RunState.MISSED, RunState.UNKNOWN})
