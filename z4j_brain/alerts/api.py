"""Rules of alerts over the API: what is watched, what it would say now, and what it has found."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from django_filters import ChoiceFilter
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.alerts import actions, dry, queries
from z4j_brain.alerts.models import LONGEST_COOLDOWN, Alert, Rule
from z4j_brain.alerts.states import Kind, Standing
from z4j_brain.lib.listing import ChoiceIn, StrictFilterSet, WholeFilter
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.states import Permission


class AlertRuleSerializer(serializers.ModelSerializer[Rule]):
    """`settings`: of its kind. `standing`: how it is now; `firing`: how many alerts of it go on. `fault`: why it could
    not be looked at last.
    """

    channels = serializers.PrimaryKeyRelatedField[Any](many=True, read_only=True)
    settings = serializers.DictField()
    standing = serializers.ChoiceField(choices=Standing.choices)
    firing = serializers.IntegerField(source="going_on")

    class Meta:
        model = Rule
        fields = [
            "id",
            "name",
            "kind",
            "settings",
            "channels",
            "cooldown_minutes",
            "enabled",
            "muted_until",
            "standing",
            "firing",
            "version",
            "created_at",
            "checked_at",
            "fault",
        ]


class EditAlertRuleSerializer(StrictSerializer):
    """Only what is named changes; `settings` and `channels` as a whole. With a `version`, only while it is that one."""

    name = serializers.CharField(max_length=100, required=False)
    kind = serializers.ChoiceField(choices=Kind.choices, required=False)
    settings = serializers.DictField(required=False)
    channels = serializers.ListField(child=serializers.IntegerField(min_value=1), max_length=50, required=False)
    cooldown_minutes = serializers.IntegerField(min_value=0, max_value=LONGEST_COOLDOWN, required=False)
    enabled = serializers.BooleanField(required=False)
    version = serializers.IntegerField(min_value=1, required=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class NewAlertRuleSerializer(EditAlertRuleSerializer):
    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(choices=Kind.choices)
    version = None  # type: ignore[assignment]


class TryAlertRuleSerializer(StrictSerializer):
    kind = serializers.ChoiceField(choices=Kind.choices)
    settings = serializers.DictField(required=False)
    name = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")


class TroubleSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField()
    text = serializers.CharField()
    facts = serializers.DictField()


class TriedAlertRuleSerializer(serializers.Serializer[dry.Try]):
    """`message`: what a webhook would get for the first of `troubles`; null where nothing is found."""

    troubles = TroubleSerializer(many=True)
    message = serializers.DictField(allow_null=True)


class MuteSerializer(StrictSerializer):
    """`until` null: from now on again."""

    until = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """`ended_at` is null while it goes on. `rule` is null once the rule was deleted; `rule_name` stays.

    `held`: nobody was told, since somebody was at work there.
    """

    rule = serializers.PrimaryKeyRelatedField[Any](read_only=True)
    facts = serializers.DictField()

    class Meta:
        model = Alert
        fields = [
            "id",
            "rule",
            "rule_name",
            "kind",
            "subject",
            "text",
            "facts",
            "started_at",
            "ended_at",
            "why_ended",
            "held",
        ]


class AlertFilter(StrictFilterSet):
    state = ChoiceFilter(method="standing", choices=[("firing", "goes on"), ("resolved", "over")])
    kind__in = ChoiceIn(field_name="kind", choices=Kind.choices)
    rule = WholeFilter(field_name="rule_id")

    class Meta:
        model = Alert
        fields = {"kind": ["exact"], "started_at": ["gte", "lt"], "ended_at": ["gte", "lt"]}

    def standing(self, rows: QuerySet[Alert], name: str, value: str) -> QuerySet[Alert]:
        return rows.filter(ended_at__isnull=value == "firing")


class RuleView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """What is watched for in the environment."""

    queryset: QuerySet[Rule] = QuerySet(Rule).none()
    serializer_class = AlertRuleSerializer
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[Rule]:
        return queries.rules(self.actor, self.environment)

    @extend_schema(request=NewAlertRuleSerializer, responses={201: AlertRuleSerializer})
    def create(self, request: Request, **place: str) -> Response:
        rbac.require(self.actor, Permission.MANAGE_PROJECT, self.environment)
        asked = self.valid(NewAlertRuleSerializer)
        reason = asked.pop("reason")
        made = actions.create_rule(self.environment, asked, actor=self.actor, reason=reason)
        return Response(self._told(made.pk), status.HTTP_201_CREATED)

    @extend_schema(request=EditAlertRuleSerializer, responses=AlertRuleSerializer)
    def partial_update(self, request: Request, pk: int, **place: str) -> Response:
        """Change a rule. What it found by its old settings is over."""
        rule = queries.one(self.get_queryset(), pk)
        rbac.require(self.actor, Permission.MANAGE_PROJECT, rule)
        asked = self.valid(EditAlertRuleSerializer)
        reason, version = asked.pop("reason"), asked.pop("version", None)
        actions.edit_rule(rule, asked, version, actor=self.actor, reason=reason)
        return Response(self._told(pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int, **place: str) -> Response:
        """Watch for it no more. What it has found stays in the list of alerts."""
        actions.delete_rule(queries.one(self.get_queryset(), pk), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=MuteSerializer, responses=AlertRuleSerializer)
    def mute(self, request: Request, pk: int, **place: str) -> Response:
        """Let it begin no alert until then."""
        rule = queries.one(self.get_queryset(), pk)
        rbac.require(self.actor, Permission.MANAGE_OPERATIONS, rule)
        asked = self.valid(MuteSerializer)
        actions.mute_rule(rule, asked["until"], actor=self.actor, reason=asked["reason"])
        return Response(self._told(pk))

    @extend_schema(request=None, responses=TriedAlertRuleSerializer)
    def dry_run(self, request: Request, pk: int, **place: str) -> Response:
        """What the rule would say now. Nothing is kept and nobody is told."""
        rule = queries.one(self.get_queryset(), pk)
        found = dry.run(self.environment, rule.kind, rule.settings, rule.name)
        return Response(TriedAlertRuleSerializer(found).data)

    @extend_schema(request=TryAlertRuleSerializer, responses=TriedAlertRuleSerializer, filters=False)
    def attempt(self, request: Request, **place: str) -> Response:
        """What a rule that is not there yet would say now."""
        rbac.require_everything(self.actor, self.environment)
        asked = self.valid(TryAlertRuleSerializer)
        found = dry.run(self.environment, asked["kind"], asked.get("settings", {}), asked["name"])
        return Response(TriedAlertRuleSerializer(found).data)

    def _told(self, pk: int) -> Any:
        return AlertRuleSerializer(queries.one(self.get_queryset(), pk)).data


@extend_schema_view(list=extend_schema(operation_id="alerts_list"))
class AlertView(mixins.ListModelMixin, Door):
    """What the rules have found, newest first."""

    queryset: QuerySet[Alert] = QuerySet(Alert).none()
    serializer_class = AlertSerializer
    filterset_class = AlertFilter

    def get_queryset(self) -> QuerySet[Alert]:
        return queries.alerts(self.actor, self.environment)


PLACE = "<slug:project>/<slug:environment>/alerts/"
routes = [
    path(PLACE, AlertView.as_view({"get": "list"}), name="api-alerts"),
    path(f"{PLACE}dry-run/", RuleView.as_view({"post": "attempt"}), name="api-alert-dry-run"),
    path(f"{PLACE}rules/", RuleView.as_view({"get": "list", "post": "create"}), name="api-alert-rules"),
    path(
        f"{PLACE}rules/<int:pk>/",
        RuleView.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-alert-rule",
    ),
    path(f"{PLACE}rules/<int:pk>/mute/", RuleView.as_view({"post": "mute"}), name="api-alert-rule-mute"),
    path(f"{PLACE}rules/<int:pk>/dry-run/", RuleView.as_view({"post": "dry_run"}), name="api-alert-rule-dry-run"),
]
