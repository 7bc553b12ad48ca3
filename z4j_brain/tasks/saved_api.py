"""Views of the list of tasks over the API: one's own, and those of everybody in the environment."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.tasks import actions, saved
from z4j_brain.tasks.models import SavedView


class TaskViewSerializer(serializers.ModelSerializer[SavedView]):
    """`query`: what stands behind the `?` in the address of the list. `shared`: everybody's. `first`: you find it
    first.
    """

    shared = serializers.BooleanField(source="is_shared")
    first = serializers.BooleanField()

    class Meta:
        model = SavedView
        fields = ["id", "name", "query", "shared", "first", "created_at"]


class EditTaskViewSerializer(StrictSerializer):
    """Only what is named changes."""

    name = serializers.CharField(max_length=60, required=False)
    query = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    first = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class NewTaskViewSerializer(StrictSerializer):
    name = serializers.CharField(max_length=60)
    query = serializers.CharField(max_length=2000, allow_blank=True)
    shared = serializers.BooleanField(required=False, default=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class SavedViewView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Readings of the list of tasks, each kept under a name."""

    queryset: QuerySet[SavedView] = QuerySet(SavedView).none()
    serializer_class = TaskViewSerializer
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[SavedView]:
        return saved.views(self.actor, self.environment)

    @extend_schema(request=NewTaskViewSerializer, responses={201: TaskViewSerializer})
    def create(self, request: Request, **place: str) -> Response:
        """Keep a reading of the list for yourself, or for everybody here."""
        asked = self.valid(NewTaskViewSerializer)
        save = actions.share_view if asked["shared"] else actions.save_view
        made = save(self.environment, asked["name"], asked["query"], actor=self.actor, reason=asked["reason"])
        return Response(self._told(made.pk), status.HTTP_201_CREATED)

    @extend_schema(request=EditTaskViewSerializer, responses=TaskViewSerializer)
    def partial_update(self, request: Request, pk: int, **place: str) -> Response:
        """Another name or query, or whether you find it first."""
        view = saved.view(self.actor, self.environment, pk)
        asked = self.valid(EditTaskViewSerializer)
        first, told = asked.pop("first", None), {"actor": self.actor, "reason": asked.pop("reason")}
        if asked:
            actions.change_view(view, asked, **told)
        if first is not None:
            actions.make_first(view, first, **told)
        return Response(self._told(pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int, **place: str) -> Response:
        """Forget it. Whoever found it first finds the usual list again."""
        view = saved.view(self.actor, self.environment, pk)
        actions.delete_view(view, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _told(self, pk: int) -> Any:
        return TaskViewSerializer(saved.view(self.actor, self.environment, pk)).data


PLACE = "<slug:project>/<slug:environment>/task-views/"
routes = [
    path(PLACE, SavedViewView.as_view({"get": "list", "post": "create"}), name="api-task-views"),
    path(
        f"{PLACE}<int:pk>/",
        SavedViewView.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-task-view",
    ),
]
