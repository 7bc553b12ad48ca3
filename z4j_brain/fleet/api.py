"""The workers of an environment."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import path
from rest_framework import mixins, serializers

from z4j_brain.agents.states import Presence
from z4j_brain.fleet import queries
from z4j_brain.fleet.models import Worker
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


routes = [
    path("<slug:project>/<slug:environment>/workers/", WorkerView.as_view({"get": "list"}), name="api-workers"),
    path(
        "<slug:project>/<slug:environment>/workers/<int:pk>/",
        WorkerView.as_view({"get": "retrieve"}),
        name="api-worker",
    ),
]
