"""redbeat passes the suite that every scheduler passes."""

from __future__ import annotations

import pytest
from beat_rig import RedBeatRig
from beat_suite import BeatSuite
from z4j_celerybeat.redbeat import RedBeat
from z4j_core.testing.recording import wait_for


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with RedBeatRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class TestRedBeat(BeatSuite):
    engine_class = RedBeat

    def test_a_beat_that_waits_for_the_lead_does_not_undo_what_people_changed(self, rig, tmp_path):
        """Its start gives every schedule of the code its definition back. It is another machine's."""
        self.done(rig, "schedule_disable", "often")
        try:
            with RedBeatRig.beside(rig, tmp_path) as other:
                wait_for(lambda: other.records.events(kind="scheduler.online"), what="the other beat")
                assert other.records.read("running") == [None], "it has not turned"
                assert not self.listed(other)["often"]["enabled"]
                assert self.is_quiet(rig, "often")
                self.done(other, "schedule_enable", "often")
                self.fires(rig, "often")
        finally:
            self.done(rig, "schedule_enable", "often")
