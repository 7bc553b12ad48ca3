"""Channels of alerts over the API, and what was sent by them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.alerts import actions, messengers, queries
from z4j_brain.alerts.api import PLACE
from z4j_brain.alerts.models import Channel, Delivery
from z4j_brain.alerts.states import ChannelKind, DeliveryState, Happening
from z4j_brain.lib.listing import ChoiceIn, StrictFilterSet, WholeFilter
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.models import Environment, Project
from z4j_brain.rbac.states import Permission


class AlertChannelSerializer(serializers.ModelSerializer[Channel]):
    """`to`: the host, or the domain of the address. `address`: null for who does not manage the project.
    `whole_project`: it can be told by rules of any of its environments. `secret_before_until`: until when its webhooks
    are signed with the secret before as well.
    """

    to = serializers.CharField()
    address = serializers.SerializerMethodField()
    whole_project = serializers.SerializerMethodField()

    class Meta:
        model = Channel
        fields = ["id", "name", "kind", "to", "address", "whole_project", "secret_before_until", "created_at"]

    def get_address(self, channel: Channel) -> str | None:
        return channel.address if rbac.may(self.context["actor"], Permission.MANAGE_PROJECT, channel) else None

    def get_whole_project(self, channel: Channel) -> bool:
        return channel.environment_id is None


class MadeAlertChannelSerializer(AlertChannelSerializer):
    """`secret`: what its webhooks are signed with; nobody can show it again. Empty but for webhooks."""

    secret = serializers.SerializerMethodField()

    class Meta(AlertChannelSerializer.Meta):
        fields = [*AlertChannelSerializer.Meta.fields, "secret"]

    def get_secret(self, channel: Channel) -> str:
        return str(self.context.get("secret", ""))


class EditAlertChannelSerializer(StrictSerializer):
    """Only what is named changes."""

    name = serializers.CharField(max_length=64, required=False)
    address = serializers.CharField(max_length=messengers.LONGEST, required=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class RotateAlertSecretSerializer(StrictSerializer):
    """`hours`: for so long the secret before signs as well; 0: no longer from now on."""

    hours = serializers.IntegerField(min_value=0, max_value=actions.LONGEST_OVERLAP, default=24)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class NewAlertChannelSerializer(EditAlertChannelSerializer):
    name = serializers.CharField(max_length=64)
    kind = serializers.ChoiceField(choices=ChannelKind.choices)
    address = serializers.CharField(max_length=messengers.LONGEST)
    whole_project = serializers.BooleanField(default=False)


class AlertDeliverySerializer(serializers.ModelSerializer[Delivery]):
    """`key`: the webhook-id is `msg_` and this, without hyphens. `code`: what the receiver answered last."""

    alert = serializers.PrimaryKeyRelatedField[Any](read_only=True)
    channel = serializers.PrimaryKeyRelatedField[Any](read_only=True)

    class Meta:
        model = Delivery
        fields = [
            "id",
            "alert",
            "channel",
            "happening",
            "key",
            "title",
            "state",
            "attempts",
            "code",
            "error",
            "created_at",
            "next_at",
            "sent_at",
        ]


class DeliveryFilter(StrictFilterSet):
    state__in = ChoiceIn(field_name="state", choices=DeliveryState.choices)
    alert = WholeFilter(field_name="alert_id")
    channel = WholeFilter(field_name="channel_id")
    happening__in = ChoiceIn(field_name="happening", choices=Happening.choices)

    class Meta:
        model = Delivery
        fields = {
            "state": ["exact"],
            "happening": ["exact"],
            "created_at": ["gte", "lt"],
        }


class ChannelView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Who outside is told: those of the environment, and those of its whole project."""

    queryset: QuerySet[Channel] = QuerySet(Channel).none()
    serializer_class = AlertChannelSerializer
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[Channel]:
        return queries.channels(self.actor, self.environment)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "actor": self.actor}

    @extend_schema(request=NewAlertChannelSerializer, responses={201: MadeAlertChannelSerializer})
    def create(self, request: Request, **place: str) -> Response:
        """The answer holds the secret by which a webhook knows who sends, this once."""
        rbac.require(self.actor, Permission.MANAGE_PROJECT, self.environment)
        asked = self.valid(NewAlertChannelSerializer)
        where: Project | Environment = self.environment.project if asked["whole_project"] else self.environment
        kind, told = ChannelKind(asked["kind"]), {"actor": self.actor, "reason": asked["reason"]}
        if kind == ChannelKind.SERVICE:
            messengers.recognise(asked["address"])
        channel, secret = actions.add_channel(where, asked["name"], kind, asked["address"], **told)
        context = self.get_serializer_context() | {"secret": secret}
        return Response(MadeAlertChannelSerializer(channel, context=context).data, status.HTTP_201_CREATED)

    @extend_schema(request=EditAlertChannelSerializer, responses=AlertChannelSerializer)
    def partial_update(self, request: Request, pk: int, **place: str) -> Response:
        """Another name or address. What a webhook is signed with stays."""
        channel = queries.one(self.get_queryset(), pk)
        rbac.require(self.actor, Permission.MANAGE_PROJECT, channel)
        asked = self.valid(EditAlertChannelSerializer)
        reason = asked.pop("reason")
        if channel.kind == ChannelKind.SERVICE and "address" in asked:
            messengers.recognise(asked["address"])
        actions.edit_channel(channel, asked, actor=self.actor, reason=reason)
        return Response(self.get_serializer(queries.one(self.get_queryset(), pk)).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int, **place: str) -> Response:
        """Tell them nothing more. What was sent to them is forgotten."""
        actions.remove_channel(queries.one(self.get_queryset(), pk), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=RotateAlertSecretSerializer, responses=MadeAlertChannelSerializer)
    def rotate(self, request: Request, pk: int, **place: str) -> Response:
        """Sign with another secret, which the answer holds this once; and for a while with the one before as well."""
        channel = queries.one(self.get_queryset(), pk)
        rbac.require(self.actor, Permission.MANAGE_PROJECT, channel)
        asked = self.valid(RotateAlertSecretSerializer)
        secret = actions.rotate_secret(channel, asked["hours"], actor=self.actor, reason=asked["reason"])
        context = self.get_serializer_context() | {"secret": secret}
        return Response(MadeAlertChannelSerializer(queries.one(self.get_queryset(), pk), context=context).data)

    @extend_schema(request=None, responses={202: AlertDeliverySerializer})
    def test(self, request: Request, pk: int, **place: str) -> Response:
        """Send a message that says nothing but that it arrives."""
        channel = queries.one(self.get_queryset(), pk)
        delivery = actions.test_channel(channel, self.environment, actor=self.actor)
        return Response(AlertDeliverySerializer(delivery).data, status.HTTP_202_ACCEPTED)


class DeliveryView(mixins.ListModelMixin, Door):
    """What was sent, or is on its way, newest first."""

    queryset: QuerySet[Delivery] = QuerySet(Delivery).none()
    serializer_class = AlertDeliverySerializer
    filterset_class = DeliveryFilter

    def get_queryset(self) -> QuerySet[Delivery]:
        return queries.deliveries(self.actor, self.environment)

    @extend_schema(request=None, responses={202: AlertDeliverySerializer})
    def resend(self, request: Request, pk: int, **place: str) -> Response:
        """Send it once more, under the id it has."""
        actions.resend(queries.one(self.get_queryset(), pk), actor=self.actor)
        again = queries.one(self.get_queryset(), pk)
        return Response(AlertDeliverySerializer(again).data, status.HTTP_202_ACCEPTED)


routes = [
    path(f"{PLACE}channels/", ChannelView.as_view({"get": "list", "post": "create"}), name="api-alert-channels"),
    path(
        f"{PLACE}channels/<int:pk>/",
        ChannelView.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-alert-channel",
    ),
    path(f"{PLACE}channels/<int:pk>/rotate/", ChannelView.as_view({"post": "rotate"}), name="api-alert-channel-rotate"),
    path(f"{PLACE}channels/<int:pk>/test/", ChannelView.as_view({"post": "test"}), name="api-alert-channel-test"),
    path(f"{PLACE}deliveries/", DeliveryView.as_view({"get": "list"}), name="api-alert-deliveries"),
    path(
        f"{PLACE}deliveries/<int:pk>/resend/",
        DeliveryView.as_view({"post": "resend"}),
        name="api-alert-delivery-resend",
    ),
]
