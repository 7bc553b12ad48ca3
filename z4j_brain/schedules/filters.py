"""The filters of the lists of schedules and of their runs: over the API, and of operations on them."""

from __future__ import annotations

from typing import Any

import django_filters as filters
from django.db.models import Q, QuerySet

from z4j_brain.lib.listing import ChoiceIn, StrictFilterSet, TextFilter
from z4j_brain.schedules import view
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.schedules.states import RunState
from z4j_brain.schedules.view import Standing, View

_IS = ["exact", "in"]


class YesOrNo(filters.ChoiceFilter):
    """A column that is true or false, as programs write that."""

    def __init__(self, **kwargs: Any) -> None:
        words = {"invalid_choice": "true or false."}
        super().__init__(choices=[("true", "true"), ("false", "false")], error_messages=words, **kwargs)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.filter(**{self.field_name: value == "true"}) if value else qs


class ScheduleFilter(StrictFilterSet):
    """Needs the `environment` of the list: which schedulers are alive is looked up there."""

    search = TextFilter(method="searched", help_text="What stands in the key or in the name of the task.")
    enabled = YesOrNo(help_text="Also of what is gone.")
    state = filters.ChoiceFilter(
        choices=Standing.choices,
        method="standing",
        help_text="silent: nobody hears its scheduler; trouble: its last run went wrong, or there was none.",
        error_messages={"invalid_choice": f"One of {', '.join(Standing.values)}."},
    )

    class Meta:
        model = Schedule
        fields = {
            **dict.fromkeys(("source", "engine", "task", "queue", "key", "zone", "definition"), _IS),
            "id": [*_IS],
            "next_at": ["gte", "gt", "lte", "lt"],
        }

    def searched(self, rows: QuerySet[Schedule], name: str, value: str) -> QuerySet[Schedule]:
        return rows.filter(Q(key__icontains=value) | Q(task__icontains=value))

    def standing(self, rows: QuerySet[Schedule], name: str, value: str) -> QuerySet[Schedule]:
        return View(state=value).narrowed(rows, view.alive(self.environment))


class RunFilter(StrictFilterSet):
    state__in = ChoiceIn(field_name="state", choices=RunState.choices)
    asked = YesOrNo(help_text="Somebody asked for it; else it was its time.")
    overlapped = YesOrNo()

    class Meta:
        model = Run
        fields = {
            "state": ["exact"],
            "task_id": ["exact"],
            **dict.fromkeys(("due_at", "fired_at", "moment"), ["gte", "gt", "lte", "lt"]),
        }
