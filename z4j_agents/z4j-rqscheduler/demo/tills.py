"""The configuration of the accounts' `rq cron`."""

from __future__ import annotations

import closing
import z4j_rqscheduler
from rq import cron

z4j_rqscheduler.install()

cron.register(closing.count_till, "closing", args=("Ghent",), interval=10, name="count-till-ghent")
cron.register(closing.count_till, "closing", args=("Riga",), cron="* * * * *", name="count-till-riga")
cron.register(closing.close_day, "closing", args=("Graz",), cron="0 22 * * 1-6", name="close-graz")
