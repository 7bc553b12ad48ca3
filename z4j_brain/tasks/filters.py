"""The filters of the tasks list over the API: what of them is walked along an index, and what is tried on each row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django_filters import ChoiceFilter
from django_filters.constants import EMPTY_VALUES

from z4j_brain.lib.listing import ChoiceIn, MomentFilter, StrictFilterSet, TextFilter, TextIn, invalid
from z4j_brain.lib.problem import Fault
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import box, values
from z4j_brain.tasks.box import Box
from z4j_brain.tasks.export import TYPES
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.narrowing import SAME_ID, Narrowing
from z4j_brain.tasks.spans import RANGES, Span
from z4j_brain.tasks.states import TaskState

_IS = ["exact", "in"]
_WITHIN = ["gte", "gt", "lte", "lt"]
_WORDS = ("name", "queue", "engine", "worker", "root_id", "group_id", "schedule", "error_type", "issue")
_TIMES = ("first_at", "enqueued_at", "received_at", "started_at", "finished_at", "last_at")
#: Columns of which a row has one value, and a list may ask for any of several.
_EQUAL = frozenset((*_WORDS, "state", "retry_of", "parent_id"))

#: What an export is asked that is no filter.
HOW = ("format", "payload", "reason")


class TaskFilter(StrictFilterSet):
    """Needs the `environment` of the list: ids and names are looked up there first."""

    search = TextFilter(help_text="What the search box of the panel takes: a task id, a name, words, qualifiers.")
    task_id = TextFilter()
    task_id__in = TextIn()
    retry_of = TextFilter()
    parent_id = TextFilter()
    state__in = ChoiceIn(field_name="state", choices=TaskState.choices)
    since = ChoiceFilter(
        choices=[(name, words) for name, (_, words) in RANGES.items()],
        help_text="Ended since then, or not ended yet. Begins where the statistics of that range begin.",
        error_messages={"invalid_choice": f"One of {', '.join(RANGES)}."},
    )
    after = MomentFilter(field_name="finished_at", help_text="Ended at that time or later.")
    before = MomentFilter(field_name="finished_at", help_text="Ended before that time.")

    class Meta:
        model = Task
        fields = {
            **dict.fromkeys(_WORDS, _IS),
            **dict.fromkeys(("id", "attempt"), [*_IS, *_WITHIN]),
            **dict.fromkeys(
                ("first_at", "enqueued_at", "received_at", "started_at", "finished_at", "last_at"), _WITHIN
            ),
            "runtime_ms": _WITHIN,
            "state": ["exact"],
        }

    environment: Environment

    def narrowing(self) -> Narrowing:
        """The tasks that these filters are about; a 400 that points at what is wrong with them."""
        if faults := [*self.faults(), *self._not_understood()]:
            raise invalid(faults)
        given = {name: value for name, value in self.form.cleaned_data.items() if value not in EMPTY_VALUES}
        ids = self._ids(given)
        span = Span(given.pop("since", "all"), given.pop("after", None), given.pop("before", None))
        typed = Box.read(given.pop("search", ""))
        for name in HOW:
            given.pop(name, None)
        equal = box.columns(self.environment, typed.qualifiers)
        other = Q()
        for name, value in given.items():
            column, _, operator = name.partition("__")
            if column in _EQUAL:
                wanted = tuple(value) if operator == "in" else (value,)
                equal[column] = tuple(one for one in wanted if one in equal.get(column, wanted))
            elif column != "task_id":
                other &= Q(**{name: value})
        return Narrowing(equal, other, span.bounds(), typed.text, ids)

    @property
    def told(self) -> dict[str, str]:
        """The filters as they were given."""
        return {name: self.data[name] for name in self.base_filters if name not in HOW}

    def _ids(self, given: dict[str, Any]) -> tuple[int, ...] | None:
        """Tasks named one by one, by our ids or the engines'."""
        ours = [int(one) for one in given.get("id__in", [given["id"]] if "id" in given else [])]
        theirs = given.get("task_id__in", [given["task_id"]] if "task_id" in given else [])
        if theirs:
            return values.with_task_id(self.environment, theirs, SAME_ID)
        return tuple(ours) if ours else None

    def _not_understood(self) -> Iterable[Fault]:
        for note in Box.read(self.data.get("search", "")).notes:
            yield Fault(pointer="search", detail=note)


class ExportFilter(TaskFilter):
    format = ChoiceFilter(choices=[(name, name) for name in TYPES], help_text="csv unless told otherwise.")
    payload = ChoiceFilter(
        choices=[("1", "with"), ("0", "without")],
        help_text="1: with arguments, results and messages, which takes `view_payload`. Left out unless asked for.",
    )
    reason = TextFilter(
        help_text="Why, for the audit log. With `payload=1` needed where the environment asks for reasons."
    )
    also = frozenset[str]()
