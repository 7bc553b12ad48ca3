"""The agents of an environment."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import path
from rest_framework import mixins, serializers

from z4j_brain.agents import queries
from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import AgentRole, Presence
from z4j_brain.lib.listing import ChoiceIn, StrictFilterSet
from z4j_brain.rbac.door import Door


class AgentFilter(StrictFilterSet):
    role__in = ChoiceIn(field_name="role", choices=AgentRole.choices)

    class Meta:
        model = Agent
        fields = {"role": ["exact"], "host": ["exact", "in"], "name": ["exact", "in"]} | dict.fromkeys(
            ("started_at", "seen_at"), ["gte", "gt", "lte", "lt"]
        )


class AgentSerializer(serializers.ModelSerializer[Agent]):
    state = serializers.ChoiceField(choices=Presence.choices, read_only=True)
    key = serializers.CharField(source="key.name", read_only=True)

    class Meta:
        model = Agent
        fields = [
            "id",
            "name",
            "host",
            "pid",
            "role",
            "state",
            "key",
            "engines",
            "versions",
            "allowed",
            "counters",
            "protocol",
            "started_at",
            "seen_at",
            "left_at",
        ]


class AgentView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Boots of our code in user processes, newest first."""

    queryset: QuerySet[Agent] = QuerySet(Agent).none()
    serializer_class = AgentSerializer
    filterset_class = AgentFilter

    def get_queryset(self) -> QuerySet[Agent]:
        return queries.agents(self.actor, self.environment)


routes = [
    path("<slug:project>/<slug:environment>/agents/", AgentView.as_view({"get": "list"}), name="api-agents"),
    path(
        "<slug:project>/<slug:environment>/agents/<uuid:pk>/",
        AgentView.as_view({"get": "retrieve"}),
        name="api-agent",
    ),
]
