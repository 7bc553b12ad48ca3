from __future__ import annotations

from django.apps import AppConfig


class HousekeepingConfig(AppConfig):
    name = "z4j_brain.housekeeping"
    label = "housekeeping"
