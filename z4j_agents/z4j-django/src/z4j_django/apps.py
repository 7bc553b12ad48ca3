"""Hands `settings.Z4J` to the agent when Django is ready, and lets it look for the project's engines.

Opens nothing: the agent starts with the first event.
"""

from __future__ import annotations

from typing import Any

import z4j_bare
from django.apps import AppConfig
from django.core.checks import register
from django.core.signals import request_started
from z4j_core import safety

from z4j_django import checks, project


class Z4JConfig(AppConfig):
    name = "z4j_django"
    verbose_name = "z4j"

    def ready(self) -> None:
        for check, deploy in ((checks.settings, False), (checks.engines, False), (checks.deployment, True)):
            register(check, "z4j", deploy=deploy)
        with safety.guard("django.ready"):
            z4j_bare.configure(**project.given())
            z4j_bare.look_again(*project.engines_of_django())
        # Views are imported with the first request, and with them what they send tasks through.
        request_started.connect(_look_again, dispatch_uid="z4j")


def _look_again(**_: Any) -> None:
    z4j_bare.look_again()
