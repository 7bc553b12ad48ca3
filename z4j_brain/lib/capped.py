"""Counts that stop counting: exact up to a cap, "10,000+" beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

CAP = 10_000


@dataclass(frozen=True, slots=True)
class Count:
    number: int
    capped: bool

    def __str__(self) -> str:
        return f"{self.number:,}+" if self.capped else f"{self.number:,}"

    def __int__(self) -> int:
        return self.number


def count(queryset: QuerySet[Any], cap: int = CAP) -> Count:
    """How many rows, in one query that reads `cap` + 1 of them at most."""
    found = queryset.order_by()[: cap + 1].count()
    return Count(min(found, cap), found > cap)
