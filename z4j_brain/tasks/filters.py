"""The filters of the tasks list, for the API and the panel alike."""

from __future__ import annotations

from django.db.models import QuerySet

from z4j_brain.lib.listing import ChoiceIn, StrictFilterSet, TextFilter, TextIn
from z4j_brain.rbac.models import Environment
from z4j_brain.tasks import queries
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TaskState

_IS = ["exact", "in"]
_WITHIN = ["gte", "gt", "lte", "lt"]
_WORDS = ("name", "queue", "engine", "worker", "root_id", "group_id", "schedule", "error_type")
_TIMES = ("first_at", "enqueued_at", "received_at", "started_at", "finished_at", "last_at")


class TaskFilter(StrictFilterSet):
    """Needs the `environment` of the list: ids and names are looked up there first."""

    search = TextFilter(method="by_search")
    task_id = TextFilter(method="by_task_id")
    task_id__in = TextIn(method="by_task_ids")
    retry_of = TextFilter(method="by_link")
    parent_id = TextFilter(method="by_link")
    state__in = ChoiceIn(field_name="state", choices=TaskState.choices)

    class Meta:
        model = Task
        fields = {
            **dict.fromkeys(
                ("name", "queue", "engine", "worker", "root_id", "group_id", "schedule", "error_type"), _IS
            ),
            **dict.fromkeys(("id", "attempt"), [*_IS, *_WITHIN]),
            **dict.fromkeys(
                ("first_at", "enqueued_at", "received_at", "started_at", "finished_at", "last_at"), _WITHIN
            ),
            "runtime_ms": _WITHIN,
            "state": ["exact"],
        }

    environment: Environment

    def by_search(self, queryset: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        return queries.search(queryset, self.environment, value)

    def by_task_id(self, queryset: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        return self.by_task_ids(queryset, name, [value])

    def by_task_ids(self, queryset: QuerySet[Task], name: str, value: list[str]) -> QuerySet[Task]:
        return queryset.filter(pk__in=queries.with_task_id(self.environment, value))

    def by_link(self, queryset: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        """Says what the partial index says, so that it is used."""
        return queryset.exclude(**{name: ""}).filter(**{name: value})
