from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "z4j_brain.notifications"
    label = "notifications"
