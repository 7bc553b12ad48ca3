"""The audit trail over the API: entries of an environment, of the whole instance, and what proves them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from rest_framework import mixins, serializers

from z4j_brain.audit import queries
from z4j_brain.audit.filters import between, matching
from z4j_brain.ledger.models import Entry
from z4j_brain.ledger.states import Outcome
from z4j_brain.lib.listing import ChoiceIn, MomentFilter, StrictFilterSet, TextFilter
from z4j_brain.rbac.door import Door


class EntryActorSerializer(serializers.Serializer[queries.Touch]):
    """`name` is null once it was erased; `id` stays, and says nothing by itself."""

    type = serializers.CharField(source="actor_type")
    id = serializers.CharField(source="actor_id")
    name = serializers.SerializerMethodField()

    def get_name(self, touch: queries.Touch) -> str | None:
        return touch.actor or None


class EntryTargetSerializer(serializers.Serializer[queries.Touch]):
    type = serializers.CharField(source="target_type")
    id = serializers.CharField(source="target_id")


class EntrySerializer(serializers.Serializer[Any]):
    """`reason`, `count` and the actor's name can be erased: they are null then, and `erased` is true."""

    id = serializers.UUIDField()
    ts = serializers.DateTimeField()
    project = serializers.CharField()
    environment = serializers.CharField()
    phase = serializers.CharField()
    action = serializers.CharField()
    actor = EntryActorSerializer(source="*")
    target = EntryTargetSerializer(source="*")
    count = serializers.IntegerField(allow_null=True)
    reason = serializers.SerializerMethodField()
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    erased = serializers.BooleanField(source="is_erased")

    def to_representation(self, instance: Entry) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(queries.Touch.from_entry(instance))
        return shown

    def get_reason(self, touch: queries.Touch) -> str | None:
        return None if touch.is_erased else touch.reason


class EntryFilter(StrictFilterSet):
    outcome__in = ChoiceIn(field_name="outcome", choices=Outcome.choices)
    actor_id = TextFilter()
    ts__gte = MomentFilter(method="since")
    ts__lt = MomentFilter(method="until")
    reason = TextFilter(method="said", max_length=512)

    class Meta:
        model = Entry
        fields = {
            "action": ["exact", "in"],
            "outcome": ["exact"],
            "phase": ["exact"],
            "actor_type": ["exact"],
            "target_type": ["exact"],
            "target_id": ["exact"],
        }

    def since(self, rows: QuerySet[Entry], name: str, value: Any) -> QuerySet[Entry]:
        return rows.filter(between(value, None)) if value else rows

    def until(self, rows: QuerySet[Entry], name: str, value: Any) -> QuerySet[Entry]:
        return rows.filter(between(None, value)) if value else rows

    def said(self, rows: QuerySet[Entry], name: str, value: str) -> QuerySet[Entry]:
        return matching(rows, value)

    def filter_queryset(self, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        """What looks through reasons comes last: it reads the newest of what the others leave."""
        narrowing: Any = self
        narrowing.filters = dict(sorted(narrowing.filters.items(), key=lambda pair: pair[0] == "reason"))
        narrowed: QuerySet[Entry] = super().filter_queryset(queryset)
        return narrowed


class EntryDoor(mixins.ListModelMixin, Door):
    queryset: QuerySet[Entry] = QuerySet(Entry).none()
    serializer_class = EntrySerializer
    filterset_class = EntryFilter


class EntryView(EntryDoor):
    """What was asked for in an environment, newest first: all of it for whoever reads the trail, else one's own."""

    def get_queryset(self) -> QuerySet[Entry]:
        return queries.listed(queries.entries(self.actor, self.environment))


class EveryEntryView(EntryDoor):
    """Entries of the whole instance, as far as the caller may see them; those that concern no project as well."""

    def get_queryset(self) -> QuerySet[Entry]:
        return queries.listed(queries.everywhere(self.actor))


routes = [
    path("audit/", EveryEntryView.as_view({"get": "list"}), name="api-log"),
    path("<slug:project>/<slug:environment>/audit/", EntryView.as_view({"get": "list"}), name="api-audit"),
]
