"""The adapters in the guide work as they are printed there."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from z4j_core.engine import Target
from z4j_core.fold import fold, order_key
from z4j_core.testing.recording import RecordingHost, Records
from z4j_core.wire import Outcome

GUIDE = Path(__file__).parents[2] / "README.md"


def charge(order, password):
    if order < 0:
        raise ValueError("no such order")
    return order


class MyQueue:
    """The smallest engine there is: a list, worked off by whoever calls `work`."""

    def __init__(self):
        self.listeners, self.waiting, self.jobs = [], [], {}

    def send(self, message, task_id, headers=None):
        args = json.loads(message)
        job = SimpleNamespace(
            id=task_id, name="charge", function=charge, args=args, kwargs={}, message=message, headers=headers or {},
            attempt=0, started=None, result=None, error=None,
        )  # fmt: skip
        self.jobs[task_id] = job
        self.waiting.append(job)
        self.tell("queued", job)

    def work(self):
        while self.waiting:
            job = self.waiting.pop(0)
            job.started = time.time_ns() // 1000
            self.tell("begun", job)
            try:
                job.result = charge(*job.args)
            except ValueError as error:
                job.error = error
            self.tell("failed" if job.error else "done", job)

    def drop(self, task_id):
        job = self.jobs[task_id]
        if job not in self.waiting:
            return False
        self.waiting.remove(job)
        self.tell("dropped", job)
        return True

    def knows(self, task_id):
        return task_id in self.jobs

    def tell(self, moment, job):
        for listener in list(self.listeners):
            listener(moment, job)


def printed(name):
    """The class of this name, as the guide prints it."""
    namespace: dict[str, object] = {}
    sources = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (source,) = [source for source in sources if f"class {name}" in source]
    exec(compile(source, str(GUIDE), "exec"), namespace)
    return namespace[name]


@pytest.fixture
def shop(tmp_path):
    queue = MyQueue()
    engine = printed("MyQueueEngine")(queue)
    engine.install(RecordingHost(tmp_path))
    yield SimpleNamespace(queue=queue, engine=engine, records=Records(tmp_path))
    engine.uninstall()
    assert queue.listeners == []


def row(shop, task_id):
    return fold(
        None, sorted(((order_key(event, "b"), event) for event in shop.records.events(task_id)), key=lambda e: e[0])
    )


def test_it_reports_a_success_and_a_failure_without_secrets(shop):
    shop.queue.send(b'[7, "hunter2"]', "t1")
    shop.queue.send(b'[-7, "hunter2"]', "t2")
    shop.queue.work()
    assert (row(shop, "t1")["state"], row(shop, "t1")["args"]) == ("succeeded", "(int, [redacted:password])")
    assert (row(shop, "t2")["state"], row(shop, "t2")["error_message"]) == ("failed", "no such order")
    assert "hunter2" not in shop.records.text()


def test_it_runs_a_job_again_once_and_links_it(shop):
    shop.queue.send(b'[7, "x"]', "t1")
    target = Target("t1", "c1", 1)
    answers = [shop.engine.act("retry", replace(target, again=again), {}) for again in (False, True)]
    shop.queue.work()
    assert {answer.outcome for answer in answers} == {Outcome.DONE}
    assert row(shop, target.new_task_id())["retry_of"] == "t1"
    assert len(shop.records.events(target.new_task_id(), "task.started")) == 1


def test_it_cancels_what_waits_and_is_honest_about_what_runs(shop):
    shop.queue.send(b'[7, "x"]', "t1")
    assert shop.engine.act("cancel", Target("t1", "c1", 1), {}).outcome == Outcome.DONE
    assert row(shop, "t1")["state"] == "cancelled"
    assert shop.engine.act("cancel", Target("t1", "c2", 1), {}).outcome == Outcome.UNSUPPORTED


class MyCron:
    """The smallest scheduler there is: whoever calls `turn` is its clock."""

    host, is_running, turned_at = "h", True, 0.0

    def __init__(self):
        self.on_sent = []
        job = {"task": "charge", "cron": "0 3 * * *", "enabled": True, "kwargs": {"password": "hunter2-and-more"}}
        self.jobs = {"nightly": SimpleNamespace(**job)}

    def turn(self, moment):
        self.turned_at = moment
        for key, job in self.jobs.items():
            for listener in list(self.on_sent) if job.enabled else []:
                listener(key, job, f"{key}-{moment}", moment)


def test_the_scheduler_in_the_guide_lists_fires_and_obeys(tmp_path):
    cron = MyCron()
    scheduler = printed("MyCronScheduler")(cron)
    scheduler.install(RecordingHost(tmp_path, "redact"))

    [(key, facts)] = scheduler.schedules()
    assert (key, facts["cron"], facts["enabled"]) == ("nightly", "0 3 * * *", True)
    assert "hunter2" not in facts["kwargs"]
    cron.turn(5)
    assert scheduler.running() == {"tick": 5_000_000}
    assert scheduler.act("schedule_disable", Target(name="nightly"), {}).outcome == Outcome.DONE
    cron.turn(6)
    assert scheduler.act("schedule_enable", Target(name="nightly"), {}).outcome == Outcome.DONE
    cron.turn(7)
    assert scheduler.act("schedule_enable", Target(name="weekly"), {}).outcome == Outcome.NOT_FOUND
    assert scheduler.act("schedule_create", Target(name="weekly"), {}).detail.endswith("add one there.")

    events = Records(tmp_path).events(kind="schedule.fired")
    assert [(event["task_id"], event["data"]["due"]) for event in events] == [
        ("nightly-5", 5_000_000),
        ("nightly-7", 7_000_000),
    ]
    scheduler.uninstall()
    assert cron.on_sent == []
