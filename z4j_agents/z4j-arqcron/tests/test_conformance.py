"""arq's cron passes the suite that every scheduler passes: a real worker over a real broker."""

from __future__ import annotations

import pytest
from cron_rig import CronRig
from z4j_arqcron import ArqCron
from z4j_core.testing.schedulers import SchedulerSuite


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with CronRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    """A test may have ended the worker."""
    rig.ensure()


class TestArqCron(SchedulerSuite):
    engine_class = ArqCron
