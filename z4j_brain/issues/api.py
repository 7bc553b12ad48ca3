"""Issues over the API: the list, one of them, and what can be said about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import path
from django.utils import timezone
from django_filters import BooleanFilter
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.issues import actions, queries
from z4j_brain.issues.models import Issue
from z4j_brain.issues.states import IssueState
from z4j_brain.lib.listing import ChoiceIn, MomentFilter, StrictFilterSet, TextFilter
from z4j_brain.operations.api import ReasonSerializer
from z4j_brain.rbac import access
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.door import Door
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks.api import OrNull


class IssueSerializer(serializers.ModelSerializer[Issue]):
    """`id`: what the tasks of it are filtered by, as `issue`. `message` takes `view_payload`, and is null in a session.

    `count`: tasks that stand failed with it, those that are no longer kept among them. `trend`: how many of them ended
    in each of the last 24 hours, the one that goes on last.
    """

    id = serializers.CharField(source="fingerprint", read_only=True)
    error_type = OrNull()
    message = serializers.SerializerMethodField()
    frame = OrNull()
    first_code = OrNull()
    last_code = OrNull()
    assignee = serializers.SerializerMethodField()
    resolved_by = OrNull()
    resolved_code = OrNull()
    trend = serializers.SerializerMethodField()

    class Meta:
        model = Issue
        fields = [
            "id",
            "name",
            "error_type",
            "message",
            "frame",
            "state",
            "assignee",
            "count",
            "trend",
            "first_at",
            "last_at",
            "first_code",
            "last_code",
            "snoozed_until",
            "snoozed_to",
            "resolved_at",
            "resolved_by",
            "resolved_code",
            "regressed_at",
        ]

    @extend_schema_field({"type": ["string", "null"]})
    def get_message(self, issue: Issue) -> str | None:
        """Of the task that failed last with it."""
        return (issue.message or None) if self.context["sees_payload"] else None

    @extend_schema_field({"type": ["string", "null"]})
    def get_assignee(self, issue: Issue) -> str | None:
        return issue.assignee.get_username() if issue.assignee else None

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_trend(self, issue: Issue) -> list[int]:
        return list(self.context["trends"][issue.pk].counts)


class AssignSerializer(ReasonSerializer):
    assignee = serializers.CharField(allow_null=True, max_length=150, help_text="A user name; null: nobody.")


class SnoozeSerializer(ReasonSerializer):
    until = serializers.DateTimeField(required=False, help_text="Left out: until twice as many tasks have failed.")


class IssueFilter(StrictFilterSet):
    state__in = ChoiceIn(field_name="state", choices=IssueState.choices)
    error = TextFilter(field_name="error_type")
    assignee = TextFilter(field_name="assignee__username")
    last_at__gte = MomentFilter(field_name="last_at", lookup_expr="gte")
    last_at__lt = MomentFilter(field_name="last_at", lookup_expr="lt")
    q = TextFilter(method="matching", help_text="Words, each of which stands in the exception, name, frame or id.")
    mine = BooleanFilter(method="owned", help_text="true: those that the caller looks after and that are not resolved.")

    class Meta:
        model = Issue
        fields = {"state": ["exact"], "name": ["exact", "in"]}

    def matching(self, queryset: QuerySet[Issue], name: str, value: str) -> QuerySet[Issue]:
        return queries.matching(queryset, value)

    def owned(self, queryset: QuerySet[Issue], name: str, value: bool) -> QuerySet[Issue]:
        mine: Q = queries.owned(Actor.of(self.request))
        return queryset.filter(mine if value else ~mine)


class IssueView(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Failures that are one and the same, the latest first."""

    queryset: QuerySet[Issue] = QuerySet(Issue).none()
    serializer_class = IssueSerializer
    filterset_class = IssueFilter
    order = "-last_at"

    def get_queryset(self) -> QuerySet[Issue]:
        return queries.issues(self.actor, self.environment)

    def get_object(self) -> Issue:
        return queries.detail(self.actor, self.environment, self.kwargs["pk"])

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Failures that are one and the same, the latest first."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(self._shown(rows))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One issue. Its tasks are those of the list of tasks with `issue` set to its id."""
        return self._told(self.get_object())

    @extend_schema(request=AssignSerializer, responses=IssueSerializer)
    def assign(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give it to somebody who sees the issues here, or to nobody."""
        issue, asked = self.get_object(), self.valid(AssignSerializer)
        user = queries.person(asked["assignee"] or "")
        return self._told(actions.assign(issue, user, actor=self.actor, reason=asked["reason"]))

    @extend_schema(request=ReasonSerializer, responses=IssueSerializer)
    def resolve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """It is over, in the release that runs now. A later failure opens it again, and says so."""
        issue, asked = self.get_object(), self.valid(ReasonSerializer)
        return self._told(actions.resolve(issue, actor=self.actor, reason=asked["reason"]))

    @extend_schema(request=SnoozeSerializer, responses=IssueSerializer)
    def snooze(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Out of the way until a time, or until twice as many tasks have failed."""
        issue, asked = self.get_object(), self.valid(SnoozeSerializer)
        return self._told(actions.snooze(issue, asked.get("until"), actor=self.actor, reason=asked["reason"]))

    @extend_schema(request=ReasonSerializer, responses=IssueSerializer)
    def reopen(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """It is neither over nor can it wait."""
        issue, asked = self.get_object(), self.valid(ReasonSerializer)
        return self._told(actions.reopen(issue, actor=self.actor, reason=asked["reason"]))

    def _told(self, issue: Issue) -> Response:
        return Response(self._shown([issue])[0])

    def _shown(self, rows: Sequence[Issue]) -> Any:
        held = access.permissions(self.actor, self.environment)
        more = {
            # A token asks by its scope; in a session, messages are for the page of the task that has them.
            "sees_payload": self.actor.token is not None and _sees_all(held),
            "trends": queries.trends(rows, timezone.now()),
        }
        return IssueSerializer(rows, many=True, context={**self.get_serializer_context(), **more}).data


def _sees_all(held: access.Held) -> bool:
    """Messages of whatever queue and name."""
    return Permission.VIEW_PAYLOAD in held and held.is_everywhere(Permission.VIEW_PAYLOAD)


_PLACE = "<slug:project>/<slug:environment>/issues/"
_ONE = f"{_PLACE}<slug:pk>/"
routes = [
    path(_PLACE, IssueView.as_view({"get": "list"}), name="api-issues"),
    path(_ONE, IssueView.as_view({"get": "retrieve"}), name="api-issue"),
    *(
        path(f"{_ONE}{verb}/", IssueView.as_view({"post": verb}), name=f"api-issue-{verb}")
        for verb in ("assign", "resolve", "snooze", "reopen")
    ),
]
