"""taskiq passes the suite that every engine passes: a real worker over a list in Redis. Streams: test_streams.py."""

from __future__ import annotations

import pytest
from own_suite import LACKS, BrokerSuite, OwnSuite
from taskiq_rig import TaskiqRig
from z4j_core.testing.engines import EngineSuite
from z4j_taskiq import TaskiqEngine


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with TaskiqRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def working(rig):
    """A test may have ended the worker."""
    rig.ensure()


class TestList(EngineSuite, BrokerSuite, OwnSuite):
    engine_class = TaskiqEngine
    lacks = LACKS
