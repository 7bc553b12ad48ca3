"""What takes a second person in an environment, and when it is left alone."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.rbac import freezes, guarding, policies, queries
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.models import Environment, Freeze
from z4j_brain.rbac.states import Permission


class StandingSerializer(serializers.Serializer[policies.Standing]):
    is_active = serializers.BooleanField()
    why = serializers.CharField()
    people = serializers.ListField(child=serializers.CharField())


class PolicySerializer(serializers.Serializer[policies.Policy]):
    """`rules`: an action, or `*` for any, and how many targets it may have without a second person. `standing`: whether
    enough people could approve here; else none of it is asked for.
    """

    rules = serializers.DictField(child=serializers.IntegerField())
    minutes = serializers.IntegerField(help_text="How long a request waits.")
    approvers = serializers.IntegerField(help_text="How many others have to agree.")
    requests = serializers.BooleanField(help_text="Operators may request a purge or a restart.")
    is_usual = serializers.BooleanField(help_text="Nobody has changed what an environment of this kind begins with.")
    standing = serializers.SerializerMethodField()

    @extend_schema_field(StandingSerializer)
    def get_standing(self, policy: policies.Policy) -> dict[str, Any]:
        return dict(StandingSerializer(policies.standing(self.context["environment"], policy)).data)


class SetPolicySerializer(StrictSerializer):
    """Only what is named changes; `rules` is changed as a whole."""

    rules = serializers.DictField(child=serializers.IntegerField(), required=False)
    minutes = serializers.IntegerField(min_value=1, max_value=1440, required=False)
    approvers = serializers.IntegerField(min_value=1, max_value=2, required=False)
    requests = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class PolicyView(Door):
    """What takes a second person here."""

    serializer_class = PolicySerializer
    http_method_names = ["get", "head", "patch"]

    @extend_schema(responses=PolicySerializer)
    def retrieve(self, request: Request, **place: str) -> Response:
        return self._told()

    @extend_schema(request=SetPolicySerializer, responses=PolicySerializer)
    def partial_update(self, request: Request, **place: str) -> Response:
        queries.require(self.actor, Permission.MANAGE_PROJECT, self.environment)
        asked = self.valid(SetPolicySerializer)
        reason = asked.pop("reason")
        guarding.set_policy(self.environment, asked, actor=self.actor, reason=reason)
        return self._told()

    def _told(self) -> Response:
        return Response(PolicySerializer(policies.of(self.environment), context={"environment": self.environment}).data)


class FreezeSerializer(serializers.ModelSerializer[Freeze]):
    """`actions`: which are refused; none: all that people can ask of targets. `single`: one task may still be retried
    or cancelled.
    """

    is_on = serializers.BooleanField()
    actions = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Freeze
        fields = [
            "id",
            "starts_at",
            "ends_at",
            "reason",
            "actions",
            "single",
            "is_on",
            "set_by_name",
            "created_at",
            "ended_at",
            "ended_by_name",
        ]


class SetFreezeSerializer(StrictSerializer):
    starts_at = serializers.DateTimeField(required=False, help_text="Now, unless told otherwise.")
    ends_at = serializers.DateTimeField()
    reason = serializers.CharField(max_length=500)
    actions = serializers.ListField(child=serializers.CharField(max_length=64), required=False, max_length=50)
    single = serializers.BooleanField(default=False)


class FreezeView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Times in which the environment is left alone, newest first."""

    queryset: QuerySet[Freeze] = QuerySet(Freeze).none()
    serializer_class = FreezeSerializer

    def get_queryset(self) -> QuerySet[Freeze]:
        return freezes.all_of(self.actor, self.environment)

    @extend_schema(request=SetFreezeSerializer, responses={201: FreezeSerializer})
    def create(self, request: Request, **place: str) -> Response:
        queries.require(self.actor, Permission.MANAGE_PROJECT, self.environment)
        asked = self.valid(SetFreezeSerializer)
        starts_at, reason = asked.pop("starts_at", None) or timezone.now(), asked.pop("reason")
        set_now = _set(self.environment, starts_at, asked, actor=self.actor, reason=reason)
        return Response(FreezeSerializer(set_now).data, status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **place: str) -> Response:
        """End it, or take back one that is to come."""
        guarding.end_freeze(self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _set(environment: Environment, starts_at: Any, asked: dict[str, Any], **who: Any) -> Freeze:
    ends_at, actions, single = asked["ends_at"], asked.get("actions", ()), asked["single"]
    return guarding.set_freeze(environment, starts_at, ends_at, actions, single=single, **who)


routes = [
    path(
        "<slug:project>/<slug:environment>/approval-policy/",
        PolicyView.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="api-approval-policy",
    ),
    path(
        "<slug:project>/<slug:environment>/freezes/",
        FreezeView.as_view({"get": "list", "post": "create"}),
        name="api-freezes",
    ),
    path(
        "<slug:project>/<slug:environment>/freezes/<uuid:pk>/",
        FreezeView.as_view({"get": "retrieve", "delete": "destroy"}),
        name="api-freeze",
    ),
]
