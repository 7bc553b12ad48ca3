"""What each verb does to an engine, seen where the engine itself can be seen: one function a verb.

Each is given a department whose worker is at rest, and leaves it so. `EFFECTS` is in the order in which they disturb
each other least: workers are stopped last.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

from tests.live.demo import Refused
from tests.live.stage import FAILURES, TOLD, Stage, gone, life, units


def now() -> str:
    """As the API writes moments."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _was_given(task: dict[str, Any], word: str) -> bool:
    """As far as the agent tells: where it cannot know what an argument is called, it tells of its shape."""
    told = f"{task['args']} {task['kwargs']}"
    return word in told or f"str[{len(word)}]" in told


def hello(at: Stage) -> None:
    asked = at.ask("engine.hello", [at.engine])
    assert at.task(asked["new_task_id"], "succeeded")["engine"] == at.engine


def run(at: Stage) -> None:
    word, registered = at.word(), at.registered(at.plan.once)

    task = at.task(at.run(word), *FAILURES)

    at.ran(word)
    assert _was_given(task, word)
    with pytest.raises(Refused) as wrong:
        at.post("task.run", [registered], args=["one", "two", "three", "four"])
    assert wrong.value.status == 400
    assert wrong.value.problem["errors"][0]["pointer"] == "#/options/args", wrong.value.problem
    assert wrong.value.problem["errors"][0]["detail"]


def retry(at: Stage) -> None:
    failed = at.failed()
    again = at.ask("task.retry", [failed["id"]])["new_task_id"]
    task = at.task(again, "succeeded")
    assert task["retry_of"] == failed["task_id"]
    assert (task["args"], task["kwargs"]) == (failed["args"], failed["kwargs"])


def retry_with(at: Stage) -> None:
    failed, word = at.failed(), at.word()

    again = at.ask("task.retry_with", [failed["id"]], **at.plan.given(word))["new_task_id"]

    at.ran(word)
    task = at.task(again, *FAILURES)
    assert task["retry_of"] == failed["task_id"] and _was_given(task, word)


def requeue(at: Stage) -> None:
    failed = at.failed()
    at.ask("task.requeue", [failed["id"]])
    assert at.task(failed["task_id"], "succeeded")["id"] == failed["id"]


def cancel(at: Stage) -> None:
    if not at.plan.long:
        return _cancel_row(at)
    word = at.word()
    with at.paused():
        waiting = at.task(at.run(word), "queued")
        operation = at.post("task.cancel", [waiting["id"]])
        at.until(lambda: at.demo.call(f"operations/{operation}/")["state"] != "pending", "that an agent takes it")
    at.done(operation)
    at.task(waiting["task_id"], "cancelled")

    long = at.ask("task.run", [at.registered(at.plan.long)], **(at.plan.long_given or {}))["new_task_id"]
    running = at.task(long, "started")
    at.ask("task.cancel", [running["id"]])
    at.task(long, "cancelled")
    later = at.word()
    at.run(later)
    at.ran(later)
    busy = lambda: any(one["task_id"] == long for one in at.worker()["running"])  # noqa: E731
    at.until(lambda: not busy(), "that the worker has let go of it", TOLD)
    assert not at.left(word)


def _cancel_row(at: Stage) -> None:
    """Django's tasks: the row of one that waits goes; one that runs cannot be stopped, and that is said."""
    busy = "import django; django.setup(); from returns.tasks import inspect_goods as task; task.enqueue('parcel', 30)"
    word = at.word()
    at.script(busy)
    running = at.until(lambda: at.rows("tasks", name="returns.tasks.inspect_goods", state="started"), "a running task")
    waiting = at.task(at.send(word), "queued")

    at.ask("task.cancel", [waiting["id"]])
    [refused] = at.settled(at.post("task.cancel", [running[0]["id"]]))

    assert (refused["outcome"], bool(refused["detail"])) == ("unsupported", True)
    with sqlite3.connect(at.folder / "returns.sqlite3") as rows:
        [[left]] = rows.execute(
            "SELECT count(*) FROM django_tasks_database_dbtaskresult WHERE id = ?",
            [waiting["task_id"].replace("-", "")],
        )
    assert left == 0 and at.task(waiting["task_id"], "cancelled")


def pause(at: Stage) -> None:
    word = at.word()
    with at.paused():
        since = now()
        at.run(word)
        at.waiting(1, since)
        before = at.worker()
        at.ask("worker.stop", [before["id"]])
        after = at.worker(besides=life(before))
        at.until(lambda: at.plan.queue in at.worker(life(before))["paused"], f"a pause on {after['name']}")
        assert not at.left(word)
    at.ran(word)


def resume(at: Stage) -> None:
    word = at.word()
    with at.paused():
        at.run(word)
        assert at.queue()["paused_at"] and not at.left(word)
    at.ran(word)
    at.until(lambda: not at.worker()["paused"], "that the worker says so", TOLD)
    assert at.queue()["paused_at"] is None


def move(at: Stage) -> None:
    word, to = at.word(), at.plan.other or "attic"
    with at.paused():
        task = at.task(at.run(word), "queued")
        at.ask("task.move", [task["id"]], queue=to)
        if at.plan.other:
            at.ran(word)
            assert at.task(task["task_id"], *FAILURES)["queue"] == to
        else:  # nobody takes from there: it lies in the broker
            assert at.broker.exists(to), f"{to} is not in the broker"
            at.broker.delete(to)
    if not at.plan.other:
        assert not at.left(word)


def purge(at: Stage) -> None:
    """Two wait in the queue, and one in another where the worker has another."""
    going, staying, later = [at.word(), at.word()], at.word(), at.word()
    queues = [at.plan.queue, *filter(None, [at.plan.other])]
    with at.paused(*queues):
        since = now()
        for word in going:
            at.run(word)
        if at.plan.other:
            at.run(staying, at.plan.other)
        queue = at.waiting(2, since)
        with pytest.raises(Refused) as wrong:
            at.post("queue.purge", [queue["id"]], confirm=7)
        assert wrong.value.status == 422 and "2" in wrong.value.problem["errors"][0]["detail"]
        at.ask("queue.purge", [queue["id"]], confirm=2)
    if at.plan.other:
        at.ran(staying)
    at.run(later)
    at.ran(later)
    assert not any(map(at.left, going))


def grow(at: Stage) -> None:
    _resize(at, "grow", 1)


def shrink(at: Stage) -> None:
    _resize(at, "shrink", -1)


def _resize(at: Stage, verb: str, by: int) -> None:
    worker = at.worker()
    size, kind = worker["concurrency"]["size"], worker["concurrency"]["kind"]
    before = units(worker["pid"], kind)
    at.ask(f"worker.{verb}", [worker["id"]], by=1)
    if kind == "prefork":
        at.until(lambda: units(worker["pid"], kind) == before + by, f"{before + by} processes")
    if kind in ("thread", "threads"):
        at.until(lambda: (units(worker["pid"], kind) - before) * by > 0, f"threads, before there were {before}")
    at.until(lambda: at.worker()["concurrency"]["size"] == size + by, f"{size + by} slots", TOLD)


def autoscale(at: Stage) -> None:
    spare = at.worker(queue="spare")
    assert units(spare["pid"], "prefork") < 3
    at.ask("worker.autoscale", [spare["id"]], min=3, max=4)
    at.until(lambda: units(spare["pid"], "prefork") >= 3, "three processes of the autoscaled worker")


def restart_pool(at: Stage) -> None:
    """Celery replaces a process once its next task has ended, so there is work meanwhile, and enough for all of them:
    of those that are free it may always take the same.
    """
    worker = at.worker()
    process = psutil.Process(worker["pid"])
    before = {child.pid for child in process.children()}
    at.ask("worker.restart_pool", [worker["id"]])

    def replaced() -> bool:
        at.ask("task.run", [at.registered(at.plan.long)], args=["Bergen"], kwargs={"products": 40})
        return not before & {child.pid for child in process.children()}

    at.until(replaced, f"other processes in the pool than {before}", 2 * TOLD)
    at.until(lambda: len(process.children()) == len(before), "as many processes in the pool as before")
    assert life(at.worker()) == life(worker)


def rate_limit(at: Stage) -> None:
    if at.engine == "rq":
        return _rate_limit_of_key(at)
    first, second, other, last = (at.word() for _ in range(4))
    worker = at.worker()["id"]
    at.ask("worker.rate_limit", [worker], name=at.plan.once, limit="1/h")
    at.run(first)
    at.ran(first)
    at.task(at.run(second), "received")
    at.task(at.ask("task.run", [at.registered("shop.pack")], args=[other])["new_task_id"], "succeeded")
    assert not at.left(second)
    at.ask("worker.rate_limit", [worker], name=at.plan.once, limit="0")
    at.run(last)
    at.ran(last)


def _rate_limit_of_key(at: Stage) -> None:
    """RQ: how many jobs of a key may run at once. Three wait, of which one was let into its queue."""
    limited = (
        "import os, sys, rq; from redis import Redis; "
        "queue = rq.Queue('accounts', connection=Redis.from_url(os.environ['DEMO_REDIS'])); "
        "[queue.enqueue('reports.check_vat', word, rate_limit=rq.RateLimit('vat', 1)) for word in ('a', 'b', 'c')]"
    )
    with at.paused():
        since = now()
        at.script(limited)
        at.waiting(1, since)
        at.ask("worker.rate_limit", [at.worker()["id"]], name="vat", limit="2")
        assert at.broker.llen("rq:queue:accounts") == 2
        at.ask("queue.purge", [at.queue()["id"]], confirm=at.waiting(2, now())["depth"])


def time_limit(at: Stage) -> None:
    worker = at.worker()
    at.ask("worker.time_limit", [worker["id"]], name=at.plan.long, hard=1)
    long = at.ask("task.run", [at.registered(at.plan.long)], **(at.plan.long_given or {}))["new_task_id"]
    assert at.task(long, *FAILURES)["error_reason"] == "timeout"


def restart(at: Stage) -> None:
    """RQ's only where a pool starts another in its place."""
    _starts_anew(at, "restart", "spare" if at.plan.spare else at.plan.queue)


def stop(at: Stage) -> None:
    """It ends; another comes, since the demo looks after its workers."""
    before = _starts_anew(at, "stop", at.plan.queue)
    assert before["pid"] != at.worker()["pid"]


def _starts_anew(at: Stage, verb: str, queue: str) -> dict[str, Any]:
    before = at.worker(queue=queue)
    created = psutil.Process(before["pid"]).create_time()
    at.ask(f"worker.{verb}", [before["id"]])
    if verb == "stop":
        at.until(lambda: gone(before["pid"], created), f"the end of process {before['pid']}")
    after = at.worker(besides=life(before), queue=queue)
    assert after["started_at"] > before["started_at"]
    return before


EFFECTS = {
    effect.__name__: effect
    for effect in (
        hello, run, retry, retry_with, requeue, cancel, resume, move, purge, grow, shrink, autoscale, restart_pool,
        rate_limit, time_limit, pause, restart, stop,
    )
}  # fmt: skip
