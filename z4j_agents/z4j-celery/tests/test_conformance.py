"""Celery passes the suite that every engine passes: a real worker (prefork, 2) over a real broker."""

from __future__ import annotations

import pytest
from celery_rig import CeleryRig
from z4j_celery import CeleryEngine
from z4j_core.testing.engines import EngineSuite


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with CeleryRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class TestCelery(EngineSuite):
    """The rig is all that an adapter supplies."""

    engine_class = CeleryEngine
