"""The workers and the queues of an environment, and the task names its workers know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.agents.states import Presence
from z4j_brain.fleet import queries
from z4j_brain.fleet.filters import QueueFilter, RegisteredFilter, WorkerFilter
from z4j_brain.fleet.flows import Flow, Outlook, flows
from z4j_brain.fleet.models import Queue, Registered, Worker
from z4j_brain.fleet.registered import KINDS
from z4j_brain.rbac.door import Door


class WorkerSerializer(serializers.ModelSerializer[Worker]):
    state = serializers.ChoiceField(choices=Presence.choices, read_only=True)
    code = serializers.CharField(read_only=True, help_text="The release of the user's own code (Z4J_CODE_VERSION).")
    rss = serializers.IntegerField(read_only=True, allow_null=True, help_text="Memory of its process, bytes.")
    paused = serializers.ListField(child=serializers.CharField(), read_only=True)
    clock_us = serializers.IntegerField(
        source="agent.clock_us", default=None, read_only=True, help_text="Its clock minus the brain's, microseconds."
    )

    class Meta:
        model = Worker
        fields = [
            "id",
            "engine",
            "name",
            "state",
            "host",
            "pid",
            "engine_version",
            "queues",
            "concurrency",
            "running",
            "paused",
            "code",
            "rss",
            "clock_us",
            "agent",
            "started_at",
            "heartbeat_at",
            "offline_at",
        ]


class WorkerView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Worker process groups as the engines name them, newest first."""

    queryset: QuerySet[Worker] = QuerySet(Worker).none()
    serializer_class = WorkerSerializer
    filterset_class = WorkerFilter

    def get_queryset(self) -> QuerySet[Worker]:
        return queries.workers(self.actor, self.environment)


class FlowSerializer(serializers.Serializer[Flow]):
    """How a queue does: who takes from it, and its pace over the last 15 minutes, as the statistics tell it."""

    arrival_rate = serializers.FloatField(source="came_a_second", help_text="Tasks that came in, a second.")
    completion_rate = serializers.FloatField(source="went_a_second", help_text="Tasks that ended, a second.")
    drains_s = serializers.FloatField(
        allow_null=True, help_text="Seconds until it is empty at this pace; 0 now; null: it will not be, or who knows."
    )
    outlook = serializers.ChoiceField(choices=[outlook.value for outlook in Outlook])
    forecast = serializers.CharField(help_text="The outlook in words, to go on after the name of the queue.")
    workers = serializers.ListField(child=serializers.CharField(), source="serving.workers")
    paused_on = serializers.ListField(
        child=serializers.CharField(),
        source="serving.paused",
        help_text="Those of its workers that say they paused it.",
    )
    slots = serializers.IntegerField(source="serving.slots", help_text="Of its workers, whatever they run.")
    busy = serializers.IntegerField(source="serving.busy")


class QueueSerializer(serializers.ModelSerializer[Queue]):
    """`depth` may be taken now, `delayed` waits for its time, `in_flight` is taken and not finished, `dead` is given up
    by the engine and kept, `consumers` take from it as its broker counts. Null: nobody can know. `exact` is false where
    a number may be off. `paused_at`: since when somebody wants it paused; null when nobody does.
    """

    flow = serializers.SerializerMethodField()

    class Meta:
        model = Queue
        fields = [
            "id",
            "engine",
            "name",
            "depth",
            "delayed",
            "in_flight",
            "dead",
            "consumers",
            "oldest_at",
            "exact",
            "measured_at",
            "paused_at",
            "paused_by",
            "paused_reason",
            "flow",
        ]

    @extend_schema_field(FlowSerializer)
    def get_flow(self, queue: Queue) -> dict[str, Any]:
        return FlowSerializer(self.context["flows"][queue.pk]).data


class QueueView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Queues as agents last measured them, newest first."""

    queryset: QuerySet[Queue] = QuerySet(Queue).none()
    serializer_class = QueueSerializer
    filterset_class = QueueFilter

    def get_queryset(self) -> QuerySet[Queue]:
        return queries.queues(self.actor, self.environment)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Queues as agents last measured them, newest first."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(self._told(rows))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self._told([self.get_object()])[0])

    def _told(self, rows: Sequence[Queue]) -> Any:
        """The rows with how they do, which costs the same for one as for many."""
        found = {flow.queue.pk: flow for flow in flows(self.actor, self.environment, rows)}
        return QueueSerializer(rows, many=True, context={**self.get_serializer_context(), "flows": found}).data


class ParamSerializer(serializers.Serializer[Any]):
    """`kind`: `p` by position only, `e` either way, `k` by keyword only, `a` more positions, `w` more keywords."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=sorted(KINDS))
    required = serializers.BooleanField()  # type: ignore[assignment]


class RegisteredSerializer(serializers.ModelSerializer[Registered]):
    """`params`: of its function, in order; null where no worker said. `seen_at`: when a worker last started with it."""

    params = serializers.SerializerMethodField()

    class Meta:
        model = Registered
        fields = ["id", "engine", "name", "params", "idempotent", "seen_at"]

    @extend_schema_field(ParamSerializer(many=True, allow_null=True))
    def get_params(self, row: Registered) -> list[dict[str, Any]] | None:
        if row.params is None:
            return None
        return [{"name": name, "kind": kind, "required": required} for name, kind, required in row.params]


class RegisteredView(mixins.ListModelMixin, Door):
    """Task names that workers said they know, those first heard last first."""

    queryset: QuerySet[Registered] = QuerySet(Registered).none()
    serializer_class = RegisteredSerializer
    filterset_class = RegisteredFilter

    def get_queryset(self) -> QuerySet[Registered]:
        return queries.registrations(self.actor, self.environment)


routes = [
    path("<slug:project>/<slug:environment>/queues/", QueueView.as_view({"get": "list"}), name="api-queues"),
    path(
        "<slug:project>/<slug:environment>/queues/<int:pk>/",
        QueueView.as_view({"get": "retrieve"}),
        name="api-queue",
    ),
    path(
        "<slug:project>/<slug:environment>/registered/",
        RegisteredView.as_view({"get": "list"}),
        name="api-registered",
    ),
    path("<slug:project>/<slug:environment>/workers/", WorkerView.as_view({"get": "list"}), name="api-workers"),
    path(
        "<slug:project>/<slug:environment>/workers/<int:pk>/",
        WorkerView.as_view({"get": "retrieve"}),
        name="api-worker",
    ),
]
