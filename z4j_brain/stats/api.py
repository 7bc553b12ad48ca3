"""Statistics over the API: what tasks come to in a stretch of time, piece by piece, and by task name or queue."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.door import Door
from z4j_brain.stats import queries
from z4j_brain.stats.filters import TABLES, read
from z4j_brain.stats.models import ByQueue
from z4j_brain.stats.spans import RANGES, USUAL
from z4j_brain.stats.states import Grain
from z4j_brain.stats.totals import Totals

_PARAMETERS = [
    OpenApiParameter("range", enum=[*RANGES], default=USUAL, description="So far back from now."),
    OpenApiParameter("start", datetime, description="Instead of `range`."),
    OpenApiParameter("end", datetime, description="With `start`; now unless given."),
    OpenApiParameter("engine", description="Only tasks of this engine."),
    OpenApiParameter("queue", description="Only tasks of this queue. Not together with anything by name."),
    OpenApiParameter("name", description="Only tasks of this name, by hour or by day. Not together with `queue`."),
    OpenApiParameter("by", enum=[*TABLES], description="A table beside the points."),
]


class PercentilesSerializer(serializers.Serializer[Any]):
    """Milliseconds, at most 10 % off. Null where nothing was measured."""

    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)


class TotalsSerializer(serializers.Serializer[Totals]):
    """A task counts as arrived when it was first heard of, and everything else of it when it ended.

    `states`: ended tasks by final state. `failed`: those that failed, were given up by the engine or are lost; the
    `failure_rate`, 0 to 1, is their share of `ended`. `run_ms`: how long the last runs took together.
    """

    arrived = serializers.IntegerField()
    ended = serializers.IntegerField()
    failed = serializers.IntegerField()
    failure_rate = serializers.FloatField(allow_null=True)
    states = serializers.DictField(child=serializers.IntegerField(), source="ends")
    retries = serializers.IntegerField()
    run_ms = serializers.FloatField()
    mean_ms = serializers.FloatField(allow_null=True)
    runtime_ms = PercentilesSerializer()
    wait_ms = PercentilesSerializer()


class PointSerializer(serializers.Serializer[queries.Point]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    totals = TotalsSerializer()


class GroupSerializer(serializers.Serializer[queries.Group]):
    """`share`: of the run time of all of them, 0 to 1."""

    engine = serializers.CharField()
    key = serializers.CharField(help_text="The task name or the queue.")
    share = serializers.FloatField(allow_null=True)
    totals = TotalsSerializer()


class TableSerializer(serializers.Serializer[queries.Table]):
    """Of task names `start` and `end` lie on whole hours, and `wait_ms` is not known. `more`: there are too many."""

    start = serializers.DateTimeField(source="span.since")
    end = serializers.DateTimeField(source="span.until")
    rows = GroupSerializer(source="groups", many=True)
    more = serializers.BooleanField()


class StatsSerializer(serializers.Serializer[Any]):
    """`start` and `end` are what was asked for, widened to whole pieces of `grain_s` seconds."""

    start = serializers.DateTimeField(source="series.span.since")
    end = serializers.DateTimeField(source="series.span.until")
    grain_s = serializers.ChoiceField(choices=[grain.value for grain in Grain], source="series.span.grain")
    total = TotalsSerializer(source="series.total")
    points = PointSerializer(source="series.points", many=True)
    table = TableSerializer(allow_null=True)


class StatsView(Door):
    """Out of rollups, which outlive the tasks they count."""

    queryset: QuerySet[ByQueue] = QuerySet(ByQueue).none()
    serializer_class = StatsSerializer

    @extend_schema(parameters=_PARAMETERS, filters=False)
    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        """What tasks come to in a stretch of time."""
        rbac.require_everything(self.actor, self.environment)
        asked = read(request.query_params, timezone.now())
        place = self.environment.pk
        table = None
        if asked.by == "name":
            table = queries.by_name(place, asked.span, engine=asked.engine, name=asked.name)
        elif asked.by == "queue":
            table = queries.by_queue(place, asked.span, engine=asked.engine, queue=asked.queue)
        told = {"series": queries.series(place, asked.span, **asked.tasks), "table": table}
        return Response(StatsSerializer(told).data)


routes = [path("<slug:project>/<slug:environment>/stats/", StatsView.as_view({"get": "retrieve"}), name="api-stats")]
