"""Projects with their environments, the settings of one, and the tokens of whoever asks."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.lib import linktemplate
from z4j_brain.rbac import actions, queries
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.models import MOST_DAYS, Environment, Project, Token
from z4j_brain.rbac.retention import SETTINGS
from z4j_brain.rbac.states import Permission

MAX_DAYS = 365


class EnvironmentSerializer(serializers.ModelSerializer[Environment]):
    class Meta:
        model = Environment
        fields = ["slug", "name", "kind", "created_at"]


class ProjectSerializer(serializers.ModelSerializer[Project]):
    environments = EnvironmentSerializer(many=True, read_only=True)

    class Meta:
        model = Project
        fields = ["slug", "name", "created_at", "environments"]


class ProjectView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Projects that the caller sees any part of, each with the environments they see."""

    queryset: QuerySet[Project] = QuerySet(Project).none()
    serializer_class = ProjectSerializer
    lookup_field = "slug"

    def get_queryset(self) -> QuerySet[Project]:
        return queries.projects(self.actor)


class SettingsSerializer(serializers.ModelSerializer[Environment]):
    class Meta:
        model = Environment
        fields = list(SETTINGS)


class ConfigureSerializer(StrictSerializer):
    """Only what is named changes."""

    tasks_days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, required=False)
    events_days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, required=False)
    rollups_days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, required=False)
    operations_days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, required=False)
    search_arguments = serializers.BooleanField(required=False)
    reason_required = serializers.BooleanField(required=False, help_text="Operations need a reason.")
    trace_link = serializers.CharField(
        max_length=linktemplate.LONGEST,
        required=False,
        allow_blank=True,
        help_text="The page of a trace: `https://traces.example/trace/{trace_id}`. Empty: none.",
    )
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class SettingsView(Door):
    """How long an environment keeps what it has, in days, and what may be searched."""

    serializer_class = SettingsSerializer
    http_method_names = ["get", "head", "patch"]

    @extend_schema(responses=SettingsSerializer)
    def retrieve(self, request: Request, **place: str) -> Response:
        return Response(SettingsSerializer(self.environment).data)

    @extend_schema(request=ConfigureSerializer, responses=SettingsSerializer)
    def partial_update(self, request: Request, **place: str) -> Response:
        queries.require(self.actor, Permission.MANAGE_PROJECT, self.environment)
        asked = self.valid(ConfigureSerializer)
        reason = asked.pop("reason")
        changed = actions.configure_environment(self.environment, asked, actor=self.actor, reason=reason)
        return Response(SettingsSerializer(changed).data)


class TokenSerializer(serializers.ModelSerializer[Token]):
    project = serializers.SlugRelatedField[Project](slug_field="slug", read_only=True, allow_null=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Permission.choices))

    class Meta:
        model = Token
        fields = ["id", "name", "kid", "scopes", "project", "created_at", "expires_at", "last_used_at", "revoked_at"]


class MintedSerializer(TokenSerializer):
    """The one answer that holds the token itself."""

    token = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]


class MintSerializer(StrictSerializer):
    name = serializers.CharField(max_length=128)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Permission.choices), min_length=1)
    project = serializers.SlugField(max_length=64, required=False, allow_null=True, default=None)
    days = serializers.IntegerField(min_value=1, max_value=MAX_DAYS, default=90)


class TokenView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """The caller's own tokens. For whoever signed in: no token may read, mint or revoke tokens."""

    queryset: QuerySet[Token] = QuerySet(Token).none()
    serializer_class = TokenSerializer

    def get_queryset(self) -> QuerySet[Token]:
        return queries.tokens(self.actor)

    @extend_schema(request=MintSerializer, responses={201: MintedSerializer})
    def create(self, request: Request) -> Response:
        asked = self.valid(MintSerializer)
        token, plaintext = actions.mint_token(self.actor.user, actor=self.actor, **self._bounds(asked))
        answer = MintedSerializer(token).data | {"token": plaintext}
        return Response(answer, status.HTTP_201_CREATED, headers={"Location": f"{request.path}{token.pk}/"})

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: Any) -> Response:
        actions.revoke_token(self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _bounds(self, asked: dict[str, Any]) -> dict[str, Any]:
        slug = asked.pop("project")
        project = queries.projects(self.actor).filter(slug=slug).first() if slug else None
        if slug and project is None:
            raise serializers.ValidationError({"project": ["Not found."]})
        return asked | {"project": project}


routes = [
    path("projects/", ProjectView.as_view({"get": "list"}), name="api-projects"),
    path("projects/<slug:slug>/", ProjectView.as_view({"get": "retrieve"}), name="api-project"),
    path(
        "<slug:project>/<slug:environment>/settings/",
        SettingsView.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="api-settings",
    ),
    path("tokens/", TokenView.as_view({"get": "list", "post": "create"}), name="api-tokens"),
    path("tokens/<uuid:pk>/", TokenView.as_view({"get": "retrieve", "delete": "destroy"}), name="api-token"),
]
