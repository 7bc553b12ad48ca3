"""Schedules as a crontab, over the API: out of here, and in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django_filters import ChoiceFilter
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.lib.listing import StrictFilterSet
from z4j_brain.operations import launch
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules import crontab, importing, spoken, view
from z4j_brain.schedules.filters import ScheduleFilter
from z4j_brain.schedules.models import Schedule
from z4j_brain.schedules.states import OWN, CatchUp, Overlap

#: Schedules of one export.
MOST = 10_000


class ExportFilter(ScheduleFilter):
    format = ChoiceFilter(
        choices=[("crontab", "crontab")],
        method="as_it_is",
        help_text="crontab, which is all there is.",
        error_messages={"invalid_choice": "One of crontab."},
    )

    def as_it_is(self, rows: Any, name: str, value: str) -> Any:
        return rows


class ImportSerializer(StrictSerializer):
    """`engine`, `queue`, `zone`, `catch_up` and `overlap` hold where a line does not say. `dry_run`: only look."""

    text = serializers.CharField(max_length=262_144, trim_whitespace=False, help_text="The crontab.")
    engine = serializers.CharField(max_length=32, required=False)
    queue = serializers.CharField(max_length=255, required=False)
    zone = serializers.CharField(max_length=64, required=False)
    catch_up = serializers.ChoiceField(choices=CatchUp.choices, required=False)
    overlap = serializers.ChoiceField(choices=Overlap.choices, required=False)
    dry_run = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class TakenSerializer(serializers.Serializer[Schedule]):
    """`id` is null in a dry run."""

    id = serializers.IntegerField(allow_null=True)
    key = serializers.CharField()
    task = serializers.CharField()
    engine = serializers.CharField()
    queue = serializers.CharField()
    cron = serializers.CharField()
    zone = serializers.CharField()
    words = serializers.SerializerMethodField()
    enabled = serializers.BooleanField()

    def get_words(self, row: Schedule) -> str:
        return spoken.words(row)


class FaultSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text="#/text/ and the number of the line.")
    detail = serializers.CharField()


class ImportedSerializer(serializers.Serializer[Any]):
    """`errors`: in a dry run alone; else with any of them nothing is done, and the answer is a problem. `notices`: what
    was passed over.
    """

    dry_run = serializers.BooleanField()
    schedules = TakenSerializer(many=True)
    errors = FaultSerializer(many=True)  # type: ignore[assignment]
    notices = serializers.ListField(child=serializers.CharField())


class CrontabView(Door):
    """A crontab of tasks."""

    queryset: QuerySet[Schedule] = QuerySet(Schedule).none()
    serializer_class = ImportedSerializer
    filterset_class: type[StrictFilterSet] | None = None
    pagination_class = None  # type: ignore[assignment]

    @extend_schema(request=ImportSerializer, responses={200: ImportedSerializer, 201: ImportedSerializer})
    def take_in(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make each line of a crontab a schedule of z4j's own: all or none. A dry run only says what would be."""
        if not rbac.may(self.actor, Permission.EDIT_SCHEDULES, self.environment):
            importing.take_in(self.environment, "", {}, actor=self.actor)  # is refused, on record
        asked = self.valid(ImportSerializer)
        text, dry, reason = asked.pop("text"), asked.pop("dry_run"), asked.pop("reason")
        if dry:
            found = importing.look(self.environment, text, asked)
        else:
            launch.demand_reason(self.environment, reason)
            found = importing.take_in(self.environment, text, asked, actor=self.actor, reason=reason)
        told = {"dry_run": dry, "schedules": found.schedules, "errors": found.faults, "notices": found.notices}
        return Response(ImportedSerializer(told).data, 200 if dry else 201)

    @extend_schema(filters=True, responses={(200, "text/plain"): OpenApiTypes.STR})
    def export(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The schedules of the list as a crontab, that can be taken in again. Arguments are in it where they are z4j's
        own and the caller's token may see those of tasks; a scheduler tells them redacted, which is no use to anybody.
        """
        rows = view.schedules(self.actor, self.environment).filter(gone_at=None)
        wanted = ExportFilter(request.query_params, rows, environment=self.environment).narrowed()
        held = access.permissions(self.actor, self.environment)
        sees = self.actor.token is not None and Permission.VIEW_PAYLOAD in held
        told = _lines(wanted.order_by("zone", "key")[:MOST], sees=sees)
        content = "\n".join(["# Schedules of z4j: tasks, not programs.", *crontab.write(told), ""])
        return HttpResponse(content, content_type="text/plain; charset=utf-8")

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """An export is a crontab, whatever the caller accepts."""
        return super().perform_content_negotiation(request, force=force or self.action == "export")


def _lines(rows: Any, *, sees: bool) -> Iterator[dict[str, Any]]:
    for row in rows:
        shown = sees and row.source == OWN
        yield {
            "key": row.key,
            "cron": row.cron,
            "zone": row.zone,
            "task": row.task,
            "args": json.loads(row.args or "[]") if shown else [],
            "kwargs": json.loads(row.kwargs or "{}") if shown else {},
            "enabled": row.enabled,
            "words": spoken.words(row),
            "told": {"engine": row.engine, "queue": row.queue} | (_own(row) if row.source == OWN else {}),
        }


def _own(row: Schedule) -> dict[str, Any]:
    return {"catch_up": row.catch_up, "overlap": row.overlap}
