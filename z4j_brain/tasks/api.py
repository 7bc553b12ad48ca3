"""Tasks: lists, one task, its events, and the two actions on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from z4j_core import wire

from z4j_brain.lib import why
from z4j_brain.lib.listing import KeysetPagination, StrictFilterSet, TextFilter
from z4j_brain.operations.api import IDEMPOTENCY_KEY, AskingDoor, OperationSerializer, ReasonSerializer
from z4j_brain.operations.models import Operation
from z4j_brain.rbac import access, onshow
from z4j_brain.rbac.door import Door
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks import actions, exporting, queries, replay
from z4j_brain.tasks.filters import ExportFilter, TaskFilter
from z4j_brain.tasks.models import Event, Task
from z4j_brain.tasks.waiting import Reason, waiting

#: One task, pointed at: also when it was retried before, and when its agent has yet to come back.
ONE = {"again": True, "wait": True}
#: What is told of an event to everybody who sees its task. The rest, also what a newer agent may add, is payload.
EVENT_FACTS = frozenset(wire.Event.__annotations__) - {"args", "kwargs", "result", "error", "progress", "data"}


@extend_schema_field({"type": ["string", "null"]})
class OrNull(serializers.Field[str, Any, str | None, Any]):
    """Text, or null where there is none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"read_only": True} | kwargs)

    def to_representation(self, value: Any) -> str | None:
        return str(value) if value else None


class TaskSerializer(serializers.ModelSerializer[Task]):
    """A task in a list. What `view_payload` guards is null without it, and where a session has not asked for it."""

    worker = OrNull()
    root_id = OrNull()
    parent_id = OrNull()
    group_id = OrNull()
    trace_id = OrNull()
    schedule = OrNull()
    retry_of = OrNull()
    retried_as = OrNull()
    error_type = OrNull()
    error_message = OrNull()
    error_reason = OrNull()
    issue = OrNull()
    cancel_requested_by = OrNull()

    class Meta:
        model = Task
        fields = [
            "id",
            "task_id",
            "engine",
            "name",
            "queue",
            "worker",
            "state",
            "attempt",
            "max_attempts",
            "priority",
            "retry_of",
            "retried_as",
            "root_id",
            "parent_id",
            "group_id",
            "trace_id",
            "schedule",
            "error_type",
            "error_message",
            "error_reason",
            "issue",
            "eta",
            "expires",
            "first_at",
            "enqueued_at",
            "received_at",
            "started_at",
            "finished_at",
            "last_at",
            "runtime_ms",
            "cancel_requested_at",
            "cancel_requested_by",
        ]

    def to_representation(self, instance: Task) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if not self.context["sees"](instance.pk):
            shown |= {name: None for name in queries.PAYLOAD if name in shown}
        return shown


class TaskPages(KeysetPagination):
    """Pages that end early when enough has been looked through."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        told = super().get_paginated_response_schema(schema)
        told["properties"]["next"] = told["properties"]["next"] | {
            "description": "The way on, also after a page that is shorter than `page_size`; null at the end."
        }
        return told


class AvailabilitySerializer(serializers.Serializer[queries.Availability]):
    """`permitted`: the caller may do it at all. `possible`: it can be done now; else `reason` says why not."""

    permitted = serializers.BooleanField()
    possible = serializers.BooleanField()
    reason = serializers.CharField()
    note = serializers.CharField()


class WaitingSerializer(serializers.Serializer[Reason]):
    """One thing that keeps a task from beginning: a word for programs, and a sentence with the next step."""

    code = serializers.CharField()
    text = serializers.CharField()


class ReplaySerializer(serializers.Serializer[replay.Line]):
    """`tone` bad: in the way of a retry; doubt: think of it first; good: all right."""

    code = serializers.CharField()
    tone = serializers.ChoiceField(choices=replay.Tone.choices)
    text = serializers.CharField()


class TaskDetailSerializer(TaskSerializer):
    args = OrNull()
    kwargs = OrNull()
    result = OrNull()
    traceback = OrNull()
    truncated = serializers.ListField(child=serializers.CharField(), read_only=True)
    actions = serializers.SerializerMethodField()
    replay = serializers.SerializerMethodField()
    waiting = serializers.SerializerMethodField()

    class Meta(TaskSerializer.Meta):
        fields = [
            *TaskSerializer.Meta.fields,
            "args",
            "kwargs",
            "result",
            "traceback",
            "truncated",
            "actions",
            "replay",
            "waiting",
        ]

    @extend_schema_field(ReplaySerializer(many=True))
    def get_replay(self, task: Task) -> list[Any]:
        """What to know before it is retried, the gravest first."""
        return [ReplaySerializer(line).data for line in replay.verdict(task)]

    @extend_schema_field(serializers.DictField(child=AvailabilitySerializer()))
    def get_actions(self, task: Task) -> dict[str, Any]:
        """What can be done to the task now, by verb."""
        found = queries.availability(self.context["actor"], task)
        return {verb: AvailabilitySerializer(availability).data for verb, availability in found.items()}

    @extend_schema_field(WaitingSerializer(many=True))
    def get_waiting(self, task: Task) -> list[dict[str, Any]]:
        """Why it has not begun; empty when it does not wait."""
        return [WaitingSerializer(reason).data for reason in waiting(self.context["actor"], task)]


class EventSerializer(serializers.ModelSerializer[Event]):
    """One fact as an agent reported it. `ts`: microseconds since 1970 by the agent's clock."""

    agent = serializers.UUIDField(source="agent_id", read_only=True)
    data = serializers.SerializerMethodField()  # type: ignore[assignment]

    class Meta:
        model = Event
        fields = ["id", "kind", "ts", "received_at", "agent", "seq", "data"]

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_data(self, event: Event) -> dict[str, Any]:
        if self.context["sees"](event.task_id):
            return dict(event.data)
        return {name: value if name in EVENT_FACTS else None for name, value in event.data.items()}


class PayloadDoor(Door):
    """A view whose answers depend on what the caller may do: decided once an answer."""

    @cached_property
    def held(self) -> queries.Held:
        return access.permissions(self.actor, self.environment)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "actor": self.actor, "sees": self._sees}

    def _sees(self, task: int) -> bool:
        """Are the values of this task told? A token asks by its scope; a session for what the panel shows in it."""
        if Permission.VIEW_PAYLOAD not in self.held:
            return False
        return self.actor.token is not None or onshow.until(self.request.session, task) is not None


class TaskView(mixins.ListModelMixin, mixins.RetrieveModelMixin, PayloadDoor, AskingDoor):
    """Tasks of an environment, newest first."""

    queryset: QuerySet[Task] = QuerySet(Task).none()
    filterset_class = TaskFilter
    pagination_class = TaskPages

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tasks of an environment, newest first.

        A page may be shorter than `page_size`, even empty, while `next` is set: then so many tasks were looked through
        that the rest is left to the next page.
        """
        pages = TaskPages()
        wanted = TaskFilter(request.query_params, environment=self.environment).narrowing()
        rows = pages.read(request, lambda cursor, size: queries.page(self.environment, wanted, cursor, size, self.held))
        return pages.get_paginated_response(self.get_serializer(rows, many=True).data)

    def get_serializer_class(self) -> type[TaskSerializer]:
        return TaskSerializer if self.action == "list" else TaskDetailSerializer

    def get_queryset(self) -> QuerySet[Task]:
        return queries.tasks(self.actor, self.environment)

    def get_object(self) -> Task:
        return queries.detail(self.actor, self.environment, self.kwargs["pk"])

    @extend_schema(
        filters=True, responses={(200, kind): OpenApiTypes.STR for kind in ("text/csv", "application/x-ndjson")}
    )
    def export(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The list as a file, all of it, streamed: CSV with every cell quoted, or a JSON object a line.

        Messages, arguments and results are in it when `payload=1` asks for them, and for those who may see them:
        anybody else is refused. The ledger says who took what.
        """
        wanted = ExportFilter(request.query_params, environment=self.environment)
        narrowing, form = wanted.narrowing(), request.query_params.get("format", "csv")
        payload, reason = request.query_params.get("payload") == "1", why.of(request.query_params)
        place, told = self.environment, wanted.told
        return exporting.answer(
            request._request, place, narrowing, told, form, self.held, self.actor, payload=payload, reason=reason
        )

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """An export is what its parameter says, whatever the caller accepts."""
        return super().perform_content_negotiation(request, force=force or self.action == "export")

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer}, parameters=[IDEMPOTENCY_KEY])
    def retry(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Run the task again, as a new task with the original arguments."""
        return self._ask_one(actions.retry)

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer}, parameters=[IDEMPOTENCY_KEY])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for the task to be stopped, or not to be started. It is cancelled once an agent says so."""
        return self._ask_one(actions.cancel)

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer}, parameters=[IDEMPOTENCY_KEY])
    def requeue(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Put a dead letter back into its queue, under its own id."""
        return self._ask_one(actions.requeue)

    def _ask_one(self, action: Callable[..., Operation]) -> Response:
        task, reason = self.get_object(), self.valid(ReasonSerializer)["reason"]
        return self.ask(
            lambda claim: action(self.environment, [task.pk], ONE, actor=self.actor, reason=reason, claim=claim)
        )


class EventFilter(StrictFilterSet):
    kind = TextFilter(field_name="kind")


class EventView(mixins.ListModelMixin, PayloadDoor):
    """What agents reported about a task, newest first."""

    queryset: QuerySet[Event] = QuerySet(Event).none()
    serializer_class = EventSerializer
    filterset_class = EventFilter

    def get_queryset(self) -> QuerySet[Event]:
        return queries.events(queries.detail(self.actor, self.environment, self.kwargs["pk"]))


_PLACE = "<slug:project>/<slug:environment>/tasks/"
routes = [
    path(_PLACE, TaskView.as_view({"get": "list"}), name="api-tasks"),
    path(
        f"{_PLACE}export/",
        TaskView.as_view({"get": "export"}, filterset_class=ExportFilter, pagination_class=None),
        name="api-task-export",
    ),
    path(f"{_PLACE}<int:pk>/", TaskView.as_view({"get": "retrieve"}), name="api-task"),
    path(f"{_PLACE}<int:pk>/events/", EventView.as_view({"get": "list"}), name="api-task-events"),
    path(f"{_PLACE}<int:pk>/retry/", TaskView.as_view({"post": "retry"}), name="api-task-retry"),
    path(f"{_PLACE}<int:pk>/cancel/", TaskView.as_view({"post": "cancel"}), name="api-task-cancel"),
    path(f"{_PLACE}<int:pk>/requeue/", TaskView.as_view({"post": "requeue"}), name="api-task-requeue"),
]
