"""Beat's own scheduler passes the suite that every scheduler passes: a real beat over a real broker."""

from __future__ import annotations

import pytest
from beat_rig import BeatRig
from beat_suite import BeatSuite
from z4j_celerybeat import Beat
from z4j_core.wire import Outcome


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with BeatRig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class TestBeat(BeatSuite):
    engine_class = Beat

    def test_it_counts_in_the_time_zone_of_the_app_alone(self, rig):
        answer = self.ask(rig, "schedule_edit", "rarely", cron="0 3 * * *", zone="Asia/Tokyo")
        assert (answer.outcome, "Europe/Berlin" in answer.detail) == (Outcome.FAILED, True)
        answer = self.ask(rig, "schedule_create", "once", task="shop.note", at=4_000_000_000_000_000)
        assert answer.outcome == Outcome.FAILED

    def test_a_created_one_counts_from_its_last_run_also_after_a_restart(self, rig):
        self.done(rig, "schedule_create", "daily", task="shop.note", every=86_400_000_000, args=["daily"])
        try:
            due = self.listed(rig)["daily"]["next"]
            rig.restart()
            assert abs(self.listed(rig)["daily"]["next"] - due) < 1_000
        finally:
            self.done(rig, "schedule_delete", "daily")
