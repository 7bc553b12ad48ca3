"""Beat's own scheduler passes the suite that every scheduler passes: a real beat over a real broker."""

from __future__ import annotations

import pytest
from beat_rig import BeatRig
from z4j_celerybeat import Beat
from z4j_core.testing.schedulers import SchedulerSuite


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with BeatRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class TestBeat(SchedulerSuite):
    engine_class = Beat
