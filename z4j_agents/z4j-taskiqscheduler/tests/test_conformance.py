"""taskiq's scheduler passes the suite of every scheduler: with schedules in Redis and with those in labels."""

from __future__ import annotations

import pytest
from schedule_rig import ScheduleRig
from z4j_core.testing.schedulers import SchedulerSuite
from z4j_taskiqscheduler import TaskiqScheduler


@pytest.fixture(scope="module", params=[("often-kept", "rarely-kept"), ("often", "new-year")], ids=["redis", "labels"])
def rig(request, tmp_path_factory):
    with ScheduleRig(tmp_path_factory.mktemp("rig"), *request.param) as rig:
        yield rig


class TestTaskiqScheduler(SchedulerSuite):
    engine_class = TaskiqScheduler
