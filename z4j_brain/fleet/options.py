"""What the verbs on queues and workers need to know beside their targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.operations.options import Options

MOST_SLOTS = 1_000
LONGEST_LIMIT = 7 * 24 * 3600


class Resizing(Options):
    params: ClassVar[Mapping[str, str]] = {"by": "by"}

    by = forms.IntegerField(
        label=gettext_lazy("By"), min_value=1, max_value=MOST_SLOTS, initial=1, help_text=gettext_lazy("Slots.")
    )


class Autoscaling(Options):
    params: ClassVar[Mapping[str, str]] = {"min": "min", "max": "max"}

    min = forms.IntegerField(
        label=gettext_lazy("At least"), min_value=0, max_value=MOST_SLOTS, help_text=gettext_lazy("Slots.")
    )
    max = forms.IntegerField(
        label=gettext_lazy("At most"), min_value=1, max_value=MOST_SLOTS, help_text=gettext_lazy("Slots.")
    )

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        if found.get("min", 0) > found.get("max", MOST_SLOTS):
            self.add_error("max", gettext("Not less than the other."))
        return found


class RateLimit(Options):
    params: ClassVar[Mapping[str, str]] = {"name": "name", "limit": "rate"}

    name = forms.CharField(label=gettext_lazy("Task name"), max_length=512)
    limit = forms.CharField(
        label=gettext_lazy("Limit"),
        max_length=32,
        help_text=gettext_lazy("As the engine writes it, say 10/m; 0 takes the limit away."),
    )


class TimeLimit(Options):
    params: ClassVar[Mapping[str, str]] = {"name": "name", "soft": "soft", "hard": "hard"}

    name = forms.CharField(label=gettext_lazy("Task name"), max_length=512)
    soft = forms.FloatField(
        label=gettext_lazy("Soft limit"),
        required=False,
        min_value=0.1,
        max_value=LONGEST_LIMIT,
        help_text=gettext_lazy("Seconds until told."),
    )
    hard = forms.FloatField(
        label=gettext_lazy("Hard limit"),
        required=False,
        min_value=0.1,
        max_value=LONGEST_LIMIT,
        help_text=gettext_lazy("Seconds until ended."),
    )

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        if not found.get("soft") and not found.get("hard"):
            self.add_error("soft", gettext("A soft limit, a hard limit or both."))
        return found
