"""The workers and the queues of an environment."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import path
from rest_framework import mixins, serializers

from z4j_brain.agents.states import Presence
from z4j_brain.fleet import queries
from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.lib.listing import StrictFilterSet
from z4j_brain.rbac.door import Door


class WorkerFilter(StrictFilterSet):
    class Meta:
        model = Worker
        fields = dict.fromkeys(("name", "engine", "host"), ["exact", "in"]) | {
            "heartbeat_at": ["gte", "gt", "lte", "lt"]
        }


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


class QueueFilter(StrictFilterSet):
    class Meta:
        model = Queue
        fields = dict.fromkeys(("name", "engine"), ["exact", "in"]) | {
            "depth": ["gte", "gt", "lte", "lt"],
            "dead": ["gte", "gt", "lte", "lt"],
            "measured_at": ["gte", "gt", "lte", "lt"],
        }


class QueueSerializer(serializers.ModelSerializer[Queue]):
    """`depth` may be taken now, `delayed` waits for its time, `in_flight` is taken and not finished, `dead` is given up
    by the engine and kept. Null: nobody can know. `exact` is false where a number may be off.
    """

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
        ]


class QueueView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Queues as agents last measured them, newest first."""

    queryset: QuerySet[Queue] = QuerySet(Queue).none()
    serializer_class = QueueSerializer
    filterset_class = QueueFilter

    def get_queryset(self) -> QuerySet[Queue]:
        return queries.queues(self.actor, self.environment)


routes = [
    path("<slug:project>/<slug:environment>/queues/", QueueView.as_view({"get": "list"}), name="api-queues"),
    path(
        "<slug:project>/<slug:environment>/queues/<int:pk>/",
        QueueView.as_view({"get": "retrieve"}),
        name="api-queue",
    ),
    path("<slug:project>/<slug:environment>/workers/", WorkerView.as_view({"get": "list"}), name="api-workers"),
    path(
        "<slug:project>/<slug:environment>/workers/<int:pk>/",
        WorkerView.as_view({"get": "retrieve"}),
        name="api-worker",
    ),
]
