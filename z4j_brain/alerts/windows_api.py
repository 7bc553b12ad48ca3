"""Maintenance windows over the API: when rules tell nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.alerts import actions, queries, windows
from z4j_brain.alerts.api import PLACE
from z4j_brain.alerts.models import Window
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.states import Permission


class AlertWindowSerializer(serializers.ModelSerializer[Window]):
    """Once, from `starts_at` to `ends_at`; or again and again, for `minutes` from each time that `cron` is due in
    `zone`. `rules`: it is about these alone, unless `all_rules`. `until`: when it ends, while it goes on. `begins_next`
    is null where it never does again.
    """

    rules = serializers.PrimaryKeyRelatedField[Any](many=True, read_only=True)
    until = serializers.SerializerMethodField()
    begins_next = serializers.SerializerMethodField()

    class Meta:
        model = Window
        fields = [
            "id",
            "name",
            "all_rules",
            "rules",
            "starts_at",
            "ends_at",
            "cron",
            "zone",
            "minutes",
            "until",
            "begins_next",
            "created_at",
        ]

    def get_until(self, window: Window) -> datetime | None:
        return windows.until(window, timezone.now())

    def get_begins_next(self, window: Window) -> datetime | None:
        return windows.begins_next(window, timezone.now())


class EditAlertWindowSerializer(StrictSerializer):
    """Only what is named changes; `rules` as a whole."""

    name = serializers.CharField(max_length=100, required=False)
    all_rules = serializers.BooleanField(required=False)
    rules = serializers.ListField(child=serializers.IntegerField(min_value=1), max_length=queries.MOST, required=False)
    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    cron = serializers.CharField(max_length=200, required=False, allow_blank=True)
    zone = serializers.CharField(max_length=64, required=False)
    minutes = serializers.IntegerField(min_value=1, max_value=windows.LONGEST_OFTEN, required=False, allow_null=True)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class NewAlertWindowSerializer(EditAlertWindowSerializer):
    name = serializers.CharField(max_length=100)


class WindowView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """When nobody is told, since somebody is at work there."""

    queryset: QuerySet[Window] = QuerySet(Window).none()
    serializer_class = AlertWindowSerializer
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[Window]:
        return queries.windows(self.actor, self.environment)

    @extend_schema(request=NewAlertWindowSerializer, responses={201: AlertWindowSerializer})
    def create(self, request: Request, **place: str) -> Response:
        rbac.require(self.actor, Permission.MANAGE_PROJECT, self.environment)
        asked = self.valid(NewAlertWindowSerializer)
        made = actions.add_window(self.environment, asked, actor=self.actor, reason=asked.pop("reason"))
        return Response(self._told(made.pk), status.HTTP_201_CREATED)

    @extend_schema(request=EditAlertWindowSerializer, responses=AlertWindowSerializer)
    def partial_update(self, request: Request, pk: int, **place: str) -> Response:
        window = queries.one(self.get_queryset(), pk)
        rbac.require(self.actor, Permission.MANAGE_PROJECT, window)
        asked = self.valid(EditAlertWindowSerializer)
        actions.edit_window(window, asked, actor=self.actor, reason=asked.pop("reason"))
        return Response(self._told(pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int, **place: str) -> Response:
        """What it kept from being told, and still goes on, is told at the next look."""
        actions.remove_window(queries.one(self.get_queryset(), pk), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _told(self, pk: int) -> Any:
        return AlertWindowSerializer(queries.one(self.get_queryset(), pk)).data


routes = [
    path(f"{PLACE}windows/", WindowView.as_view({"get": "list", "post": "create"}), name="api-alert-windows"),
    path(
        f"{PLACE}windows/<int:pk>/",
        WindowView.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-alert-window",
    ),
]
