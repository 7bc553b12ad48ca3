"""Schedulers that know intervals and crontabs only, these in the time zone of the app: beat's own, and redbeat."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from celery import schedules

from z4j_celerybeat import plans
from z4j_celerybeat.asking import arguments
from z4j_celerybeat.beating import Beating
from z4j_celerybeat.plans import Refused, Wish


class OfApp(Beating):
    #: How people call it, where it refuses something.
    called: ClassVar[str] = ""

    def given(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What is kept of an edit. Raises Refused."""
        wish, given = plans.wish(params), arguments(params)
        self.plan(wish)
        told = {"cron": wish.cron, "every": wish.every}
        return given | {name: value for name, value in told.items() if value}

    def plan(self, wish: Wish) -> Any:
        """Celery's schedule; None where no plan is wished for. Raises Refused."""
        if wish.at:
            raise Refused(f"{self.called} keeps no one-shot schedules: let z4j keep this one itself.")
        if wish.every:
            return schedules.schedule(timedelta(microseconds=wish.every), app=self.app)
        if wish.zone not in ("", self.zone()):
            raise Refused(f"{self.called} counts in the time zone of the app, {self.zone()}, and in no other.")
        return schedules.crontab(**plans.crontab(wish.cron), app=self.app) if wish.cron else None
