"""Operations: asking for one, and what has become of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.urls import path, reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.lib.listing import ChoiceIn, StrictFilterSet
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import actions, approvals_api, asking, plan, queries, revealed_api, targets
from z4j_brain.operations.approvals_api import BreakGlassSerializer, OutlookSerializer, WaitSerializer
from z4j_brain.operations.idempotency import Claim, Taken
from z4j_brain.operations.models import Item, Operation
from z4j_brain.operations.options import told
from z4j_brain.operations.states import ItemOutcome, LeftOut, OperationState
from z4j_brain.rbac import access
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.states import Permission

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="Under one key one operation, for 24 hours."
)


class IdField(serializers.CharField):
    """The id of a target: a number, or a name where it has no number."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(str(data) if type(data) is int else data)


class ActorSerializer(serializers.Serializer[Operation]):
    type = serializers.CharField(source="actor_type")
    id = serializers.CharField(source="actor_id")
    name = serializers.CharField(source="actor_name")


class OperationSerializer(serializers.ModelSerializer[Operation]):
    """`succeeded` counts targets on which the effect took place, `failed` those on which it did not; `settled` all that
    came to an end, also those left out or taken back. `next_at`: nothing is handed out before.
    """

    actor = ActorSerializer(source="*", read_only=True)
    options = serializers.SerializerMethodField()
    entry = serializers.UUIDField(source="entry_id", allow_null=True, read_only=True)
    approval = WaitSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Operation
        fields = [
            "id",
            "state",
            "action",
            "target_kind",
            "reason",
            "actor",
            "options",
            "parent",
            "relation",
            "total",
            "settled",
            "succeeded",
            "failed",
            "halted",
            "approval",
            "entry",
            "created_at",
            "next_at",
            "paused_at",
            "cancelled_at",
            "expires_at",
            "finished_at",
        ]

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_options(self, operation: Operation) -> dict[str, Any]:
        """How it goes about it. Arguments are null for whoever may not see those of tasks."""
        hidden = () if self.context.get("sees_payload") else ("args", "kwargs")
        return {name: None if name in hidden else value for name, value in operation.options.items()}


class OperationDetailSerializer(OperationSerializer):
    """`plan`: what was agreed, as the preview told it."""

    outcomes = serializers.SerializerMethodField()

    class Meta(OperationSerializer.Meta):
        fields = [*OperationSerializer.Meta.fields, "filter", "plan", "outcomes"]

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_outcomes(self, operation: Operation) -> dict[str, int]:
        """Settled targets by outcome."""
        return {share.outcome.value: share.number for share in queries.shares(operation) if share.outcome}


class ItemSerializer(serializers.ModelSerializer[Item]):
    """One target. `outcome` is null until it is settled."""

    class Meta:
        model = Item
        fields = [
            "id",
            "target_id",
            "part",
            "label",
            "progress",
            "outcome",
            "left_out",
            "detail",
            "new_task_id",
            "settled_at",
        ]


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class WishSerializer(StrictSerializer):
    """An action, its options, and one of: a filter of the list of its targets, the ids of targets, `"all": true`, or
    the id of a preview. `{"operation": id, "outcome": "failed"}` as a filter is about the targets of an operation that
    ended so.
    """

    action = serializers.CharField(max_length=64)
    filter = serializers.DictField(required=False)
    targets = serializers.ListField(child=IdField(), required=False, min_length=1, max_length=targets.MOST)
    all = serializers.BooleanField(required=False, help_text="Everything there is here of its kind.")
    preview = serializers.UUIDField(required=False, help_text="The targets that this preview found, and no others.")
    options = serializers.DictField(required=False, help_text="See the reference of actions.")


class AskSerializer(WishSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    confirm = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="The number that the preview says has to be typed."
    )


class ShareSerializer(serializers.Serializer[plan.Share]):
    value = serializers.CharField()
    count = serializers.IntegerField()


class ExcludedSerializer(serializers.Serializer[plan.Excluded]):
    code = serializers.ChoiceField(choices=LeftOut.choices)
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField()
    text = serializers.CharField()


class SampleSerializer(serializers.Serializer[targets.Candidate]):
    id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    engine = serializers.CharField()
    facets = serializers.DictField(child=serializers.CharField())
    at = serializers.DateTimeField(allow_null=True)


class NoteSerializer(serializers.Serializer[asking.Note]):
    engine = serializers.CharField()
    text = serializers.CharField()


class BehindSerializer(serializers.Serializer[asking.Behind]):
    agents = serializers.IntegerField()
    events = serializers.IntegerField()


class PreviewSerializer(serializers.Serializer[asking.Preview]):
    """What would happen. `able` of the `matching` targets are asked; the rest is left out, and why. `by`: how those
    that are asked split. `waiting`: those for which no agent answers now. `behind`: agents that have more to tell, and
    how many events. `confirm`: the number that has to be sent along.
    """

    preview = serializers.UUIDField(source="snapshot.pk")
    expires_at = serializers.DateTimeField()
    action = serializers.CharField(source="plan.verb.name")
    target_kind = serializers.CharField(source="plan.verb.kind")
    matching = serializers.IntegerField(source="plan.matching")
    able = serializers.SerializerMethodField()
    excluded = ExcludedSerializer(source="plan.excluded", many=True)
    excluded_count = serializers.SerializerMethodField()
    by = serializers.DictField(child=ShareSerializer(many=True), source="plan.by")
    samples = SampleSerializer(source="plan.samples", many=True)
    oldest = serializers.DateTimeField(allow_null=True)
    newest = serializers.DateTimeField(allow_null=True)
    seconds = serializers.FloatField(source="plan.seconds")
    waiting = serializers.IntegerField(source="plan.waiting")
    behind = BehindSerializer()
    notes = NoteSerializer(many=True)
    options = serializers.SerializerMethodField()
    confirm = serializers.IntegerField(source="plan.confirm", allow_null=True)
    reason_required = serializers.BooleanField()
    approval = OutlookSerializer(source="outlook")

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_options(self, preview: asking.Preview) -> dict[str, Any]:
        """As they were understood; what is for the agents alone, by its shape."""
        return told(preview.plan.verb.options, preview.plan.options)

    def get_able(self, preview: asking.Preview) -> int:
        return len(preview.plan.able)

    def get_excluded_count(self, preview: asking.Preview) -> int:
        return preview.plan.total - len(preview.plan.able)


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
        fields = {"outcome": ["exact"], "progress": ["exact"], "left_out": ["exact"], "target_id": ["exact"]}


class AskingDoor(Door):
    """A view that asks for operations: 202, `Location` and the operation; the same again for the same key."""

    def ask(self, run: Callable[[Claim | None], Operation]) -> Response:
        claim = self._claim()
        operation = claim.answered() if claim else None
        if operation is None:
            operation = self._run(run, claim)
        return self.told(operation)

    def told(self, operation: Operation) -> Response:
        place = [self.kwargs["project"], self.kwargs["environment"], operation.pk]
        headers = {"Location": reverse("api-operation", args=place)}
        return Response(OperationSerializer(operation).data, status.HTTP_202_ACCEPTED, headers=headers)

    def _claim(self) -> Claim | None:
        key = self.request.headers.get("Idempotency-Key")
        return None if key is None else Claim.of(self.actor, key, self.request.path, self.request.data)

    def _run(self, run: Callable[[Claim | None], Operation], claim: Claim | None) -> Operation:
        try:
            return run(claim)
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

    def get_object(self) -> Operation:
        return queries.detail(self.actor, self.environment, self.kwargs["pk"])

    def get_serializer_context(self) -> dict[str, Any]:
        sees = Permission.VIEW_PAYLOAD in access.permissions(self.actor, self.environment)
        return {**super().get_serializer_context(), "sees_payload": sees}

    @extend_schema(request=AskSerializer, responses={202: OperationSerializer}, parameters=[IDEMPOTENCY_KEY])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for an action on any number of targets. They are frozen as they match now, or as a preview found them."""
        asked = self.valid(AskSerializer)

        def run(claim: Claim | None) -> Operation:
            wish = asking.read(self.environment, self.actor, asked, in_earnest=True)
            return asking.run(self.environment, self.actor, wish, asked["reason"], asked["confirm"], claim)

        return self.ask(run)

    @extend_schema(request=WishSerializer, responses={200: PreviewSerializer})
    def preview(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What an operation would do: how many targets match, how they split, which are left out and why."""
        wish = asking.read(self.environment, self.actor, self.valid(WishSerializer))
        return Response(PreviewSerializer(asking.preview(self.environment, self.actor, wish)).data)

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer})
    def pause(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Hand out nothing more of it until it is resumed."""
        return self._steer(actions.pause)

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer})
    def resume(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Go on from where it was paused, or where it stopped by itself."""
        return self._steer(actions.resume)

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer})
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take back what no agent has taken yet. What is done stays done."""
        return self._steer(actions.cancel)

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer})
    def undo(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take back what has not left, and cancel what it enqueued. The answer is the operation that cancels, or this
        one when it had enqueued nothing.
        """
        return self._steer(actions.undo)

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer})
    def approve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let go ahead what somebody else has asked for. For people who are signed in; no token approves. An operation
        that is not what was asked for any more is void, and comes back cancelled.
        """
        return self._steer(actions.approve)

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer})
    def reject(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Turn down what somebody else has asked for. It takes a reason."""
        return self._steer(actions.reject)

    @extend_schema(request=BreakGlassSerializer, responses={202: OperationSerializer})
    def break_glass(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let it go ahead without a second person, in an emergency. Everybody is told at once."""
        operation, asked = self.get_object(), self.valid(BreakGlassSerializer)
        return self.told(actions.break_glass(operation, asked["confirm"], actor=self.actor, reason=asked["reason"]))

    def _steer(self, action: Callable[..., Operation]) -> Response:
        operation = self.get_object()
        return self.told(action(operation, actor=self.actor, reason=self.valid(ReasonSerializer)["reason"]))


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
    *approvals_api.routes,
    *revealed_api.routes,
    path(_PLACE, OperationView.as_view({"get": "list", "post": "create"}), name="api-operations"),
    path(f"{_PLACE}<uuid:pk>/", OperationView.as_view({"get": "retrieve"}), name="api-operation"),
    path(f"{_PLACE}preview/", OperationView.as_view({"post": "preview"}), name="api-operation-preview"),
    *(
        path(f"{_PLACE}<uuid:pk>/{verb}/", OperationView.as_view({"post": verb}), name=f"api-operation-{verb}")
        for verb in ("pause", "resume", "cancel", "undo", "approve", "reject")
    ),
    path(
        f"{_PLACE}<uuid:pk>/break-glass/",
        OperationView.as_view({"post": "break_glass"}),
        name="api-operation-break-glass",
    ),
    path(f"{_PLACE}<uuid:pk>/items/", ItemView.as_view({"get": "list"}), name="api-operation-items"),
]
