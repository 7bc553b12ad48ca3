"""Huey's periodic tasks pass the suite that every scheduler passes."""

from __future__ import annotations

import pytest
from periodic_rig import PeriodicRig
from z4j_core.testing.schedulers import SchedulerSuite
from z4j_hueyperiodic import HueyPeriodic


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with PeriodicRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class TestHueyPeriodic(SchedulerSuite):
    engine_class = HueyPeriodic
