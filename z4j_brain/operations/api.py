"""Operations: asking for one, and what has become of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.urls import path, reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.lib.listing import ChoiceIn, StrictFilterSet
from z4j_brain.lib.problem import Fault, Problem
from z4j_brain.operations import queries
from z4j_brain.operations.idempotency import Claim, Taken
from z4j_brain.operations.models import Item, Operation
from z4j_brain.operations.states import ItemOutcome, OperationState
from z4j_brain.rbac.action import REGISTRY
from z4j_brain.rbac.door import Door, StrictSerializer

MAX_TARGETS = 500
#: Kinds of target whose actions may be asked for; the apps that have such targets add theirs.
KINDS: set[str] = set()
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="Under one key one operation, for 24 hours."
)


class ActorSerializer(serializers.Serializer[Operation]):
    type = serializers.CharField(source="actor_type")
    id = serializers.CharField(source="actor_id")
    name = serializers.CharField(source="actor_name")


class OperationSerializer(serializers.ModelSerializer[Operation]):
    """`succeeded` counts targets on which the effect took place; `settled`, those whose outcome is known."""

    actor = ActorSerializer(source="*", read_only=True)
    entry = serializers.UUIDField(source="entry_id", allow_null=True, read_only=True)

    class Meta:
        model = Operation
        fields = [
            "id",
            "state",
            "action",
            "target_kind",
            "reason",
            "actor",
            "total",
            "settled",
            "succeeded",
            "entry",
            "created_at",
            "expires_at",
            "finished_at",
        ]


class OperationDetailSerializer(OperationSerializer):
    outcomes = serializers.SerializerMethodField()

    class Meta(OperationSerializer.Meta):
        fields = [*OperationSerializer.Meta.fields, "outcomes"]

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_outcomes(self, operation: Operation) -> dict[str, int]:
        """Settled targets by outcome."""
        return {share.outcome.value: share.number for share in queries.shares(operation) if share.outcome}


class ItemSerializer(serializers.ModelSerializer[Item]):
    """One target. `outcome` is null until it is settled."""

    class Meta:
        model = Item
        fields = ["id", "target_id", "label", "progress", "outcome", "detail", "new_task_id", "settled_at"]


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class AskSerializer(ReasonSerializer):
    action = serializers.CharField(max_length=64)
    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), min_length=1, max_length=MAX_TARGETS
    )

    def validate_action(self, value: str) -> str:
        if value not in askable():
            raise serializers.ValidationError(f"One of {', '.join(askable())}.")
        return value


class OperationFilter(StrictFilterSet):
    state__in = ChoiceIn(field_name="state", choices=OperationState.choices)

    class Meta:
        model = Operation
        fields = {
            "action": ["exact", "in"],
            "state": ["exact"],
            "actor_id": ["exact"],
            "created_at": ["gte", "gt", "lte", "lt"],
            "finished_at": ["gte", "gt", "lte", "lt"],
        }


class ItemFilter(StrictFilterSet):
    outcome__in = ChoiceIn(field_name="outcome", choices=ItemOutcome.choices)

    class Meta:
        model = Item
        fields = {"outcome": ["exact"], "progress": ["exact"], "target_id": ["exact"]}


def askable() -> list[str]:
    """The actions on targets, by name."""
    return sorted(name for name in REGISTRY if name.partition(".")[0] in KINDS)


class AskingDoor(Door):
    """A view that asks for operations: 202, `Location` and the operation; the same again for the same key."""

    def ask(self, action: Callable[..., Operation], ids: Sequence[int], reason: str) -> Response:
        claim = self._claim()
        operation = claim.answered() if claim else None
        if operation is None:
            operation = self._run(action, ids, reason, claim)
        place = [self.kwargs["project"], self.kwargs["environment"], operation.pk]
        headers = {"Location": reverse("api-operation", args=place)}
        return Response(OperationSerializer(operation).data, status.HTTP_202_ACCEPTED, headers=headers)

    def _claim(self) -> Claim | None:
        key = self.request.headers.get("Idempotency-Key")
        return None if key is None else Claim.of(self.actor, key, self.request.path, self.request.data)

    def _run(self, run: Callable[..., Operation], ids: Sequence[int], reason: str, claim: Claim | None) -> Operation:
        try:
            return run(self.environment, ids, actor=self.actor, reason=reason, claim=claim)
        except Http404:
            where: list[Fault] = [{"pointer": "#/ids", "detail": "Not all of these exist here."}]
            raise Problem(404, "not_found", "Not found", "There is no such thing here.", where) from None
        except Taken:
            operation = claim.answered() if claim else None
            if operation is None:
                raise Problem(409, "in_progress", "The first request under this key is not answered yet") from None
            return operation


class OperationView(mixins.ListModelMixin, mixins.RetrieveModelMixin, AskingDoor):
    """One requested action on any number of targets, newest first."""

    queryset: QuerySet[Operation] = QuerySet(Operation).none()
    filterset_class = OperationFilter

    def get_serializer_class(self) -> type[OperationSerializer]:
        return OperationSerializer if self.action == "list" else OperationDetailSerializer

    def get_queryset(self) -> QuerySet[Operation]:
        return queries.operations(self.actor, self.environment)

    @extend_schema(request=AskSerializer, responses={202: OperationSerializer}, parameters=[IDEMPOTENCY_KEY])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        asked = self.valid(AskSerializer)
        return self.ask(REGISTRY[asked["action"]].run, list(dict.fromkeys(asked["ids"])), asked["reason"])


class ItemView(mixins.ListModelMixin, Door):
    """The targets of an operation."""

    queryset: QuerySet[Item] = QuerySet(Item).none()
    serializer_class = ItemSerializer
    filterset_class = ItemFilter
    order = "id"

    def get_queryset(self) -> QuerySet[Item]:
        return queries.items(queries.detail(self.actor, self.environment, self.kwargs["pk"]))


_PLACE = "<slug:project>/<slug:environment>/operations/"
routes = [
    path(_PLACE, OperationView.as_view({"get": "list", "post": "create"}), name="api-operations"),
    path(f"{_PLACE}<uuid:pk>/", OperationView.as_view({"get": "retrieve"}), name="api-operation"),
    path(f"{_PLACE}<uuid:pk>/items/", ItemView.as_view({"get": "list"}), name="api-operation-items"),
]
