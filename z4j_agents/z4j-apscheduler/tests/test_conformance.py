"""APScheduler passes the suite that every scheduler passes: with its jobs in memory, and in a job store."""

from __future__ import annotations

import pytest
from apscheduler_rig import ClockRig
from z4j_apscheduler import APScheduler
from z4j_core.testing.schedulers import SchedulerSuite


@pytest.fixture(scope="class", params=["memory", "stored"])
def rig(request, tmp_path_factory):
    with ClockRig(tmp_path_factory.mktemp("rig"), stored=request.param == "stored") as rig:
        yield rig


class TestAPScheduler(SchedulerSuite):
    engine_class = APScheduler
