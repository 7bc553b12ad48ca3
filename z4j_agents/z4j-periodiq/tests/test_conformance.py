"""Both schedulers pass the suite that every scheduler passes; periodiq's plans of whole minutes: test_periodiq.py."""

from __future__ import annotations

import pytest
from periodiq_rig import CrontabRig, PeriodiqRig
from z4j_core.testing.schedulers import SchedulerSuite
from z4j_periodiq.actors import Periodiq
from z4j_periodiq.crontab import DramatiqCrontab


@pytest.fixture(scope="class")
def rig(request, tmp_path_factory):
    with request.cls.rig_class(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class TestPeriodiq(SchedulerSuite):
    engine_class = Periodiq
    rig_class = PeriodiqRig


class TestDramatiqCrontab(SchedulerSuite):
    engine_class = DramatiqCrontab
    rig_class = CrontabRig
