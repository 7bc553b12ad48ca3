from __future__ import annotations

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "z4j_brain.agents"
    label = "agents"
