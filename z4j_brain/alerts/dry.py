"""What a rule would say now: for whoever writes it, before it tells anybody."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from z4j_brain.alerts import kinds, measures, telling
from z4j_brain.alerts.measures import Trouble
from z4j_brain.alerts.models import Rule
from z4j_brain.rbac.models import Environment


@dataclass(frozen=True, slots=True)
class Try:
    """What it finds, and the message that would go out for the first of it; None where it finds nothing."""

    troubles: list[Trouble]
    message: dict[str, Any] | None


def run(environment: Environment, kind: str, settings: Any, name: str = "") -> Try:
    """Nothing is kept and nobody is told. Raises Problem by setting."""
    rule = Rule(environment=environment, name=name or "Try", kind=kind, settings=kinds.read(kind, settings))
    now = timezone.now()
    found = measures.of(kind, environment, rule.settings, now)
    return Try(found, json.loads(telling.preview(rule, found[0], now)) if found else None)
