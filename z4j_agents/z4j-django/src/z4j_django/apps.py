"""Hands `settings.Z4J` to the agent when Django is ready. Opens nothing: the agent starts with the first event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import z4j_bare
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register
from z4j_bare.config import Config, InvalidSetting
from z4j_core import safety


class Z4JConfig(AppConfig):
    name = "z4j_django"
    verbose_name = "z4j"

    def ready(self) -> None:
        register(check)
        with safety.guard("django.ready"):
            z4j_bare.configure(**_given())


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Settings that cannot be used leave the agent silent, so somebody should hear of them."""
    found = getattr(settings, "Z4J", {})
    if not isinstance(found, Mapping):
        return [Warning('Z4J is a dictionary such as {"DSN": "https://..."}.', id="z4j_django.W001")]
    try:
        Config.read(found)
    except InvalidSetting as error:
        return [Warning(str(error), id="z4j_django.W002")]
    return []


def _given() -> dict[str, Any]:
    found = getattr(settings, "Z4J", {})
    return {str(name): value for name, value in found.items()} if isinstance(found, Mapping) else {}
