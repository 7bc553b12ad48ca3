"""What an environment insists on in redaction, the rules of its project, and what would leave of a value."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from z4j_core.policy import MAX_GLOB, MAX_MATCH, Rule

from z4j_brain.agents import actions, hidden, proof, redaction
from z4j_brain.agents.models import RedactionRule
from z4j_brain.agents.states import RedactionMode, RuleKind
from z4j_brain.rbac import queries
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.states import Permission


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class TaskModeSerializer(serializers.Serializer[Any]):
    glob = serializers.CharField(max_length=MAX_GLOB, help_text="A pattern over names of tasks.")
    mode = serializers.ChoiceField(choices=RedactionMode.choices)


class HiddenSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField()
    week = serializers.IntegerField(help_text="Values it hid within 7 days.")
    month = serializers.IntegerField(help_text="Values it hid within 30 days.")


class LateSerializer(serializers.Serializer[Any]):
    agent = serializers.CharField()
    week = serializers.IntegerField(help_text="Texts of the last 7 days in which the brain hid something.")
    month = serializers.IntegerField(help_text="Texts of the last 30 days in which the brain hid something.")


class RedactionSerializer(serializers.Serializer[Any]):
    """`mode` and `tasks` are what the environment insists on; `default` holds where a worker's owner chose no mode.
    `version` names all that agents are told. `late`: what agents should have hidden and did not.
    """

    version = serializers.CharField()
    mode = serializers.ChoiceField(choices=RedactionMode.choices)
    default = serializers.CharField()
    tasks = TaskModeSerializer(many=True)
    seal_key = serializers.CharField()
    builtin_rules = serializers.CharField(help_text="The version of the built-in rules of this brain.")
    hidden = HiddenSerializer(many=True)
    late = LateSerializer(many=True)


class SetRedactionSerializer(ReasonSerializer):
    """Only what is named changes; `tasks` is changed as a whole."""

    mode = serializers.ChoiceField(choices=RedactionMode.choices, required=False)
    tasks = TaskModeSerializer(many=True, required=False)
    seal_key = serializers.CharField(max_length=64, required=False, allow_blank=True)


class TrySerializer(StrictSerializer):
    value = serializers.CharField(
        max_length=proof.LONGEST, trim_whitespace=False, help_text="JSON, a literal of Python, or text."
    )
    name = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    task = serializers.CharField(max_length=512, required=False, allow_blank=True, default="")


class ToldSerializer(serializers.Serializer[Any]):
    """What would leave in one mode. `holds`: this one does, where a worker's owner chose none."""

    mode = serializers.CharField()
    text = serializers.CharField()
    holds = serializers.BooleanField()
    hidden = serializers.SerializerMethodField()

    def get_hidden(self, told: proof.Told) -> dict[str, int]:
        return dict(told.hidden)


class RedactionView(Door):
    """What the environment insists on in redaction, and what was hidden."""

    serializer_class = RedactionSerializer
    http_method_names = ["get", "head", "patch", "post"]

    @extend_schema(responses=RedactionSerializer)
    def retrieve(self, request: Request, **place: str) -> Response:
        return self._told()

    @extend_schema(request=SetRedactionSerializer, responses=RedactionSerializer)
    def partial_update(self, request: Request, **place: str) -> Response:
        queries.require(self.actor, Permission.MANAGE_PROJECT, self.environment)
        asked = self.valid(SetRedactionSerializer)
        reason = asked.pop("reason")
        if "tasks" in asked:
            asked["tasks"] = [[entry["glob"], entry["mode"]] for entry in asked["tasks"]]
        actions.set_redaction(self.environment, asked, actor=self.actor, reason=reason)
        return self._told()

    @extend_schema(request=TrySerializer, responses=ToldSerializer(many=True), filters=False)
    def attempt(self, request: Request, **place: str) -> Response:
        """What would leave of a value. It is neither kept nor logged."""
        asked = self.valid(TrySerializer)
        document = redaction.document(self.environment)
        return Response(ToldSerializer(many=True, instance=proof.tried(document, **asked)).data)

    def _told(self) -> Response:
        document: dict[str, Any] = dict(redaction.document(self.environment))
        document["tasks"] = [{"glob": glob, "mode": mode} for glob, mode in document["tasks"]]
        counts = hidden.counts(self.actor, self.environment)
        document |= {"builtin_rules": hidden.BUILT_IN, "hidden": counts.rules, "late": counts.late}
        return Response(RedactionSerializer(document).data)


class RuleSerializer(serializers.ModelSerializer[RedactionRule]):
    """A rule of the project, for all its environments."""

    id = serializers.CharField(source="slug")

    class Meta:
        model = RedactionRule
        fields = ["id", "kind", "match", "tasks", "set_by_name", "set_at"]


class SetRuleSerializer(ReasonSerializer):
    kind = serializers.ChoiceField(choices=RuleKind.choices)
    match = serializers.CharField(max_length=MAX_MATCH, trim_whitespace=False)
    tasks = serializers.CharField(max_length=MAX_GLOB, required=False, allow_blank=True, default="")


class NewRuleSerializer(SetRuleSerializer):
    id = serializers.CharField(max_length=32)


class RuleView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """The project's own rules: the same in each of its environments."""

    queryset: QuerySet[RedactionRule] = QuerySet(RedactionRule).none()
    serializer_class = RuleSerializer
    lookup_field = "slug"
    lookup_url_kwarg = "pk"
    http_method_names = ["get", "head", "post", "put", "delete"]

    def get_queryset(self) -> QuerySet[RedactionRule]:
        return redaction.rules(self.environment)

    @extend_schema(request=NewRuleSerializer, responses={201: RuleSerializer})
    def create(self, request: Request, **place: str) -> Response:
        queries.require(self.actor, Permission.MANAGE_PROJECT, self.environment.project)
        asked = self.valid(NewRuleSerializer)
        if self.get_queryset().filter(slug=asked["id"]).exists():
            raise ValidationError({"id": ["There is a rule with this id: change that one, or choose another."]})
        return Response(RuleSerializer(self._set(asked)).data, status.HTTP_201_CREATED)

    @extend_schema(request=SetRuleSerializer, responses=RuleSerializer)
    def update(self, request: Request, pk: str, **place: str) -> Response:
        """Change a rule as a whole."""
        queries.require(self.actor, Permission.MANAGE_PROJECT, self.environment.project)
        if not self.get_queryset().filter(slug=pk).exists():
            raise Http404
        return Response(RuleSerializer(self._set(self.valid(SetRuleSerializer) | {"id": pk})).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **place: str) -> Response:
        """Take the rule away. Its reason is sent in the body, where the project asks for reasons."""
        reason = request.data.get("reason", "") if isinstance(request.data, dict) else ""
        actions.remove_rule(self.get_object(), actor=self.actor, reason=str(reason)[:500])
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _set(self, asked: dict[str, Any]) -> RedactionRule:
        reason = asked.pop("reason")
        rule = Rule(id=asked["id"], kind=asked["kind"], match=asked["match"], tasks=asked["tasks"])
        return actions.set_rule(self.environment.project, rule, actor=self.actor, reason=reason)


_PLACE = "<slug:project>/<slug:environment>/redaction/"
routes = [
    path(_PLACE, RedactionView.as_view({"get": "retrieve", "patch": "partial_update"}), name="api-redaction"),
    path(f"{_PLACE}test/", RedactionView.as_view({"post": "attempt"}), name="api-redaction-test"),
    path(f"{_PLACE}rules/", RuleView.as_view({"get": "list", "post": "create"}), name="api-redaction-rules"),
    path(
        f"{_PLACE}rules/<slug:pk>/",
        RuleView.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
        name="api-redaction-rule",
    ),
]
