from __future__ import annotations

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    name = "z4j_brain.schedules"
    label = "schedules"
