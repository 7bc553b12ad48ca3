"""Each of RQ's schedulers passes the suite that every scheduler passes."""

from __future__ import annotations

import pytest
from rigs import CronRig, LibraryRig, ScheduledRig
from z4j_core.testing.recording import PATIENCE, wait_for
from z4j_core.testing.schedulers import SchedulerSuite
from z4j_rqscheduler.cron import RQCron
from z4j_rqscheduler.library import RQScheduler
from z4j_rqscheduler.registered import RQScheduled


@pytest.fixture(scope="class")
def rig(request, tmp_path_factory):
    with request.cls.rig_class(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class SameJob:
    """RQ has one job for all firings of a schedule: it is enqueued again under the same id."""

    def test_each_firing_is_told_with_its_task(self, rig):
        before = len(self.told_fired(rig, rig.often))
        wait_for(lambda: len(self.told_fired(rig, rig.often)) >= before + 2, PATIENCE + 3 * rig.period, "firings")
        events = self.told_fired(rig, rig.often)
        assert {event["task_id"] for event in events} == {rig.often}
        dues = [event["data"]["due"] for event in events]
        assert dues == sorted(set(dues)), "each due time once"
        assert all(abs(event["ts"] - event["data"]["due"]) < 60_000_000 for event in events)
        task = rig.records.events(task_id=rig.often, kind="task.enqueued")
        assert all((event["schedule"], event["name"]) == (rig.often, "shop.note") for event in task)


class TestRQCron(SchedulerSuite):
    engine_class = RQCron
    rig_class = CronRig


class TestRQScheduler(SameJob, SchedulerSuite):
    engine_class = RQScheduler
    rig_class = LibraryRig


class TestRQScheduled(SameJob, SchedulerSuite):
    engine_class = RQScheduled
    rig_class = ScheduledRig
