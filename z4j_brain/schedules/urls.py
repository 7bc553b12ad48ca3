"""The addresses of schedules in the API."""

from __future__ import annotations

from django.urls import path

from z4j_brain.schedules.api import RunView, ScheduleView
from z4j_brain.schedules.crontab_api import CrontabView, ExportFilter

_PLACE = "<slug:project>/<slug:environment>/schedules/"
_ONE = f"{_PLACE}<int:pk>/"

routes = [
    path(_PLACE, ScheduleView.as_view({"get": "list", "post": "create"}), name="api-schedules"),
    path(f"{_PLACE}import/", CrontabView.as_view({"post": "take_in"}), name="api-schedule-import"),
    path(
        f"{_PLACE}export/",
        CrontabView.as_view({"get": "export"}, filterset_class=ExportFilter),
        name="api-schedule-export",
    ),
    path(
        _ONE,
        ScheduleView.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-schedule",
    ),
    path(f"{_ONE}runs/", RunView.as_view({"get": "list"}), name="api-schedule-runs"),
    *(
        path(f"{_ONE}{verb}/", ScheduleView.as_view({"post": verb}), name=f"api-schedule-{verb}")
        for verb in ("enable", "disable", "run")
    ),
]
