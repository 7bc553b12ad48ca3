"""Requests for a second person's yes, as the API tells of them: the inbox, the report, and what an operation says."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import path
from rest_framework import mixins, serializers

from z4j_brain.lib.listing import ChoiceIn, StrictFilterSet
from z4j_brain.operations import approving, inbox
from z4j_brain.rbac import approvals
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.models import Approval
from z4j_brain.rbac.states import ApprovalState


class WaitSerializer(serializers.ModelSerializer[Approval]):
    """The request for a second person's yes. `rule`: of the policy; `frozen` or `request` where that is why it waits.
    `digest`: over all that would be done; when that changes, the request is void.
    """

    class Meta:
        model = Approval
        fields = [
            "id",
            "state",
            "rule",
            "digest",
            "needed",
            "expires_at",
            "decided_name",
            "decided_reason",
            "decided_at",
        ]


class OutlookSerializer(serializers.Serializer[approving.Outlook]):
    """Whether it will wait for somebody else. `rule`: why, empty where it will not; `people`: who may approve.
    `inactive`: why no approval is asked for although the policy would; `frozen`: why it is not done now.
    """

    rule = serializers.CharField()
    minutes = serializers.IntegerField()
    inactive = serializers.CharField()
    frozen = serializers.CharField()
    people = serializers.ListField(child=serializers.CharField())


class BreakGlassSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500, help_text="Why it cannot wait.")
    confirm = serializers.CharField(max_length=32, help_text=f"`{approvals.WORDS}`")


class RequesterSerializer(serializers.Serializer[Approval]):
    type = serializers.CharField(source="requester_type")
    id = serializers.CharField(source="requester_id")
    name = serializers.CharField(source="requester_name")


class GivenSerializer(serializers.Serializer[object]):
    id = serializers.CharField()
    name = serializers.CharField()
    at = serializers.DateTimeField()
    reason = serializers.CharField()


class ApprovalSerializer(serializers.ModelSerializer[Approval]):
    """`target_type` is `operation` where an operation waits; it is approved and rejected at that operation's address.
    `request`: what is asked for, where it is no operation. `given`: who has said yes so far, of the `needed`.
    """

    requester = RequesterSerializer(source="*", read_only=True)
    request = serializers.DictField()
    given = GivenSerializer(many=True)

    class Meta:
        model = Approval
        fields = [
            "id",
            "state",
            "action",
            "rule",
            "target_type",
            "target_id",
            "total",
            "digest",
            "request",
            "requester",
            "reason",
            "needed",
            "given",
            "created_at",
            "expires_at",
            "decided_at",
            "decided_name",
            "decided_reason",
        ]


class ApprovalFilter(StrictFilterSet):
    state__in = ChoiceIn(field_name="state", choices=ApprovalState.choices)

    class Meta:
        model = Approval
        fields = {
            "state": ["exact"],
            "action": ["exact"],
            "target_type": ["exact"],
            "created_at": ["gte", "gt", "lte", "lt"],
        }


class ApprovalView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """What waits for a second person, and what became of it, newest first. `state=broken`: whoever went ahead alone."""

    queryset: QuerySet[Approval] = QuerySet(Approval).none()
    serializer_class = ApprovalSerializer
    filterset_class = ApprovalFilter

    def get_queryset(self) -> QuerySet[Approval]:
        return inbox.approvals(self.actor, self.environment)


_PLACE = "<slug:project>/<slug:environment>/approvals/"
routes = [
    path(_PLACE, ApprovalView.as_view({"get": "list"}), name="api-approvals"),
    path(f"{_PLACE}<uuid:pk>/", ApprovalView.as_view({"get": "retrieve"}), name="api-approval"),
]
