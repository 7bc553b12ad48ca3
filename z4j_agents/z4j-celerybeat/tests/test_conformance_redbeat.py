"""redbeat passes the suite that every scheduler passes."""

from __future__ import annotations

import pytest
from beat_rig import RedBeatRig
from z4j_celerybeat.redbeat import RedBeat
from z4j_core.testing.schedulers import SchedulerSuite


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with RedBeatRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class TestRedBeat(SchedulerSuite):
    engine_class = RedBeat
