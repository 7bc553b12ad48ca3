"""django-celery-beat passes the suite that every scheduler passes."""

from __future__ import annotations

import pytest
from beat_rig import DatabaseRig
from z4j_celerybeat.database import DjangoCeleryBeat
from z4j_core.testing.schedulers import SchedulerSuite


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with DatabaseRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class TestDjangoCeleryBeat(SchedulerSuite):
    engine_class = DjangoCeleryBeat
