"""The audit trail over the API: entries of an environment, of the whole instance, and what proves them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.audit import proving, queries
from z4j_brain.audit.filters import between, matching
from z4j_brain.ledger import proofs
from z4j_brain.ledger.models import Checkpoint, Entry
from z4j_brain.ledger.states import Outcome
from z4j_brain.lib.digits import whole
from z4j_brain.lib.listing import ChoiceIn, MomentFilter, StrictFilterSet, TextFilter, invalid
from z4j_brain.lib.problem import Fault, Problem
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


class ProofSerializer(serializers.Serializer[Any]):
    """That an entry is number `index`, from 0 on, of a log of `size`. Bytes are base64. `body` is what is hashed; it is
    null once it was pruned. `checkpoint` is a signed note (C2SP); `path` leads from the leaf to its root (RFC 9162).
    """

    index = serializers.IntegerField()
    size = serializers.IntegerField()
    path = serializers.ListField(child=serializers.CharField())
    checkpoint = serializers.CharField()
    body = serializers.CharField(allow_null=True)


class EntryDetailSerializer(EntrySerializer):
    """`proof` is null until the entry is sealed, within a second."""

    parent = serializers.UUIDField(allow_null=True)  # type: ignore[assignment]
    request_id = serializers.CharField()
    rule = serializers.CharField()
    proof = ProofSerializer(allow_null=True)

    def to_representation(self, instance: Entry) -> dict[str, Any]:
        body, found = queries.body_of(instance), proving.proof(instance.pk)
        names = ("parent", "request_id", "rule", "proof")
        told = {name: field for name, field in self.fields.items() if name not in names}
        touch = queries.Touch.from_entry(instance)
        shown = {name: self._of(field, touch) for name, field in told.items()}
        more = {"parent": body.get("parent") or None, "request_id": body.get("request_id", "")}
        return shown | more | {"rule": body.get("reason_code", ""), "proof": found.told if found else None}

    def _of(self, field: Any, touch: queries.Touch) -> Any:
        value = field.get_attribute(touch)
        return None if value is None else field.to_representation(value)


class ConsistencySerializer(serializers.Serializer[Any]):
    """That the log with `size` entries begins with the one that had `from`. Hashes are base64 (RFC 9162)."""

    generation = serializers.IntegerField()
    size = serializers.IntegerField()
    proof = serializers.ListField(child=serializers.CharField())
    checkpoint = serializers.CharField()

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.IntegerField(), **super().get_fields()}


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


class EntryDetailView(mixins.RetrieveModelMixin, Door):
    """One entry, with the proof that it is in the log."""

    queryset: QuerySet[Entry] = QuerySet(Entry).none()
    serializer_class = EntryDetailSerializer

    def get_object(self) -> Entry:
        return queries.detail(queries.entries(self.actor, self.environment), self.kwargs["pk"])


@extend_schema_view(retrieve=extend_schema(operation_id="log_retrieve"))
class EveryEntryDetailView(EntryDetailView):
    """One entry of the instance, with the proof that it is in the log."""

    def get_object(self) -> Entry:
        return queries.detail(queries.everywhere(self.actor), self.kwargs["pk"])


class LogView(Door):
    """What anybody needs who does not trust this brain: for whoever is signed in."""

    queryset: QuerySet[Entry] = QuerySet(Entry).none()
    pagination_class = None  # type: ignore[assignment]
    filter_backends = ()  # type: ignore[assignment]
    serializer_class = ConsistencySerializer

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR})
    def checkpoint(self, request: Request) -> HttpResponse:
        """The newest checkpoint, a signed note (C2SP). 404 while nothing is sealed."""
        return _text(_latest().note)

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR})
    def key(self, request: Request) -> HttpResponse:
        """The public key that signs the log, as one line. Keep the first one that you were given."""
        return _text(f"{proving.public_key(proving.origin())}\n")

    @extend_schema(
        parameters=[
            OpenApiParameter("from", int, required=True, description="The size that you know."),
            OpenApiParameter("generation", int, description="Of which log; without it, of the newest."),
        ],
        responses=ConsistencySerializer,
    )
    def consistency(self, request: Request) -> Response:
        """That the newest checkpoint continues the one that you know."""
        old = _number(request, "from", None)
        last = _latest()
        generation = _number(request, "generation", last.generation)
        newest = proofs.of_generation(generation)
        if newest is None or old > newest.size:
            detail = f"The log has {newest.size if newest else 0} entries." + (
                " You know more: it was rolled back." if newest else ""
            )
            raise Problem(
                409, "not_reached", "The log has not come so far", detail, [Fault(pointer="from", detail=detail)]
            )
        proof = [proving.encoded(one) for one in proofs.consistency(generation, old, newest.size)]
        told = {"generation": generation, "from": old, "size": newest.size, "proof": proof, "checkpoint": newest.note}
        return Response(told)


def _latest() -> Checkpoint:
    last = proofs.latest()
    if last is None:
        raise Http404
    return last


def _number(request: Request, name: str, usual: int | None) -> int:
    text = request.query_params.get(name, "" if usual is None else str(usual))
    number = whole(text, 18)
    if number is None:
        raise invalid([Fault(pointer=name, detail="A whole number.")])
    return number


def _text(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@extend_schema_view(list=extend_schema(operation_id="log_list"))
class EveryEntryView(EntryDoor):
    """Entries of the whole instance, as far as the caller may see them; those that concern no project as well."""

    def get_queryset(self) -> QuerySet[Entry]:
        return queries.listed(queries.everywhere(self.actor))


routes = [
    path("audit/", EveryEntryView.as_view({"get": "list"}), name="api-log"),
    path("audit/checkpoint/", LogView.as_view({"get": "checkpoint"}), name="api-checkpoint"),
    path("audit/key/", LogView.as_view({"get": "key"}), name="api-log-key"),
    path("audit/consistency/", LogView.as_view({"get": "consistency"}), name="api-consistency"),
    path("audit/<uuid:pk>/", EveryEntryDetailView.as_view({"get": "retrieve"}), name="api-log-entry"),
    path(
        "<slug:project>/<slug:environment>/audit/<uuid:pk>/",
        EntryDetailView.as_view({"get": "retrieve"}),
        name="api-entry",
    ),
    path("<slug:project>/<slug:environment>/audit/", EntryView.as_view({"get": "list"}), name="api-audit"),
]
