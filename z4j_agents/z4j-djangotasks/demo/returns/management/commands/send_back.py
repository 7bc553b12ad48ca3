"""Customers who do not want what they bought."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from returns import tasks

REASONS = ("too small", "broken", "not as blue as in the picture")


class Command(BaseCommand):
    help = "Send tasks until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        while not has_tables():
            time.sleep(0.5)
        for number in range(10**9):
            parcel = f"parcel-{number}"
            tasks.register_return.enqueue(parcel, reason=random.choice(REASONS))
            if number % 5 == 1:
                tasks.print_label.enqueue(parcel)
            if number % 6 == 2:
                tasks.inspect_goods.enqueue(parcel, random.randint(6, 14))
            if number % 8 == 3:
                due = timezone.now() + timedelta(seconds=60)
                tasks.ask_for_opinion.using(run_after=due).enqueue(f"customer{number}@example.org")
            time.sleep(random.uniform(3, 5))


def has_tables() -> bool:
    """Whether the worker has made all of them."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
