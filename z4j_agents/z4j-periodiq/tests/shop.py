"""The actors of the tests: some with plans of minutes, as periodiq has them, others with a class of their own that
counts seconds.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from periodiq import CronSpec, PeriodiqMiddleware, cron, expand_valid
from z4j_core.testing.recording import RecordingHost
from z4j_periodiq.actors import Periodiq

FOLDER = Path(os.environ["SHOP_FOLDER"])

broker = RedisBroker(url=os.environ["SHOP_BROKER"])
broker.add_middleware(PeriodiqMiddleware(skip_delay=5))
dramatiq.set_broker(broker)

if "SHOP_MODE" in os.environ:
    adapter = Periodiq(broker)
    adapter.install(RecordingHost(FOLDER, os.environ["SHOP_MODE"], adapter))


class Seconds(CronSpec):
    """A plan of six fields, the first one seconds."""

    @classmethod
    def parse(cls, spec):
        if not re.fullmatch(r"[\d*/,-]+( [\d*/,-]+){5}", spec):
            raise ValueError(spec)
        seconds, rest = spec.split(" ", 1)
        plan = super().parse(rest)
        plan.seconds, plan.text = expand_valid(seconds, min=0, max=59), spec
        return plan

    def __str__(self):
        return self.text

    def validate(self, date):
        return date.second in self.seconds and super().validate(date)

    def next_valid_date(self, last):
        later = [second for second in self.seconds if second > last.second]
        if later and super().validate(last):
            return last.replace(second=later[0])
        return super().next_valid_date(last).add(seconds=self.seconds[0])


def every_second(text):
    return Seconds.parse(text)


if os.environ.get("SHOP_PLANS") == "minutes":

    @dramatiq.actor(periodic=cron("30 4 * * sun"))
    def often(): ...

    @dramatiq.actor(periodic=cron("@yearly"))
    def other(): ...

    @dramatiq.actor(periodic=cron("0 3 1 1 *"), queue_name="later")
    def rarely(): ...
else:

    @dramatiq.actor(periodic=every_second("*/2 * * * * *"))
    def often(): ...

    @dramatiq.actor(periodic=every_second("0 0 3 1 1 *"))
    def rarely(): ...


@dramatiq.actor
def unplanned(): ...
