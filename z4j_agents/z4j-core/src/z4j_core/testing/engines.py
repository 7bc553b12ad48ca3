"""The suite that each engine adapter inherits. It drives the real engine over its real broker.

An adapter's test supplies a `rig` (see `z4j_core.testing.rig`), and says which lives its engine's tasks cannot have:

    @pytest.fixture(scope="module")
    def rig(tmp_path_factory):
        with MyRig(tmp_path_factory.mktemp("rig")) as rig:
            yield rig

    class TestMyQueue(EngineSuite):
        engine_class = MyQueueEngine
        lacks = {"expires": "MyQueue's jobs do not expire"}

Which tests there are follows from the verbs that the adapter defines; a verb for which the suite has no test (say, a
rate limit, which every engine writes in its own way) is proved by a test of the adapter's own, marked
`@proves("rate_limit")`.
"""

from __future__ import annotations

from z4j_core.testing.behaviour import BehaviourSuite
from z4j_core.testing.cuts import CutsSuite
from z4j_core.testing.lives import LivesSuite
from z4j_core.testing.needs import needs, proves
from z4j_core.testing.rig import Rig
from z4j_core.testing.tasks import TasksSuite
from z4j_core.testing.workers import WorkersSuite

__all__ = ["EngineSuite", "Rig", "needs", "proves"]


class EngineSuite(LivesSuite, TasksSuite, CutsSuite, WorkersSuite, BehaviourSuite):
    """Everything. Needs the fixture `rig`."""
