"""What an issue is at the moment: its words, icons and hues in the panel."""

from __future__ import annotations

from django.db import models
from django.utils.translation import pgettext_lazy


class IssueState(models.TextChoices):
    """Open until somebody says otherwise. A failure after that opens a resolved one again."""

    OPEN = "open", pgettext_lazy("state of an issue", "Open")
    SNOOZED = "snoozed", pgettext_lazy("state of an issue", "Snoozed")
    RESOLVED = "resolved", pgettext_lazy("state of an issue", "Resolved")

    @property
    def icon(self) -> str:
        """The symbol in static/vendor/lucide/icons.svg."""
        return _STATES[self][0]

    @property
    def hue(self) -> str:
        """The task state that looks like it: each hue has one place in tokens.css."""
        return _STATES[self][1]


_STATES = {
    IssueState.OPEN: ("bug", "failed"),
    IssueState.SNOOZED: ("clock", "queued"),
    IssueState.RESOLVED: ("circle-check", "succeeded"),
}
