"""The demo keeps its promise: tasks arrive, Retry runs one again, Cancel stops one, and nothing stays behind."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.demo import Demo, engines

#: Some engines lay every task that failed for good among their dead letters.
FAILURES = "failed,dead_lettered"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo"))
    yield demo
    assert demo.stop() == 0
    assert demo.leftovers() == []


def test_a_success_and_a_failure_of_every_engine_arrive_soon(demo):
    """Counted from the moment that the demo said where it is, whichever test is first."""
    for states, seconds in (("succeeded", 60), (FAILURES, 90)):
        for engine in engines():
            left = demo.since + seconds - time.monotonic()
            arrived = functools.partial(demo.first, engine=engine, state__in=states)
            assert demo.until(arrived, max(left, 1))


@pytest.mark.parametrize("engine", engines())
def test_retry_brings_a_failed_task_of_every_engine_through(demo, engine):
    """Some errors of a department stay for ever, so each kind of error is tried until one is mended by a retry."""
    tried: set[str] = set()

    def mended() -> dict[str, Any] | None:
        for failed in demo.all(engine=engine, state__in=FAILURES):
            if failed["error_type"] in tried or failed["retry_of"]:
                continue
            tried.add(failed["error_type"])
            assert demo.settle(failed, "retry") == ["succeeded"]
            again = demo.end(retried(demo, failed))
            if again["state"] == "succeeded":
                return again
        return None

    assert demo.until(mended, 120), f"none of {tried}"


def test_retry_runs_a_failed_task_again_with_its_original_arguments(demo):
    failed = demo.until(lambda: demo.first(state="failed", error_type="shop.tasks.TerminalOffline"), 90)

    assert demo.settle(failed, "retry") == ["succeeded"]

    again = demo.end(retried(demo, failed))
    before = demo.call(f"tasks/{failed['id']}/")
    assert again["state"] == "succeeded"
    assert (again["args"], again["kwargs"]) == (before["args"], before["kwargs"])
    assert before["retried_as"] == again["task_id"] and again["retry_of"] == before["task_id"]


def test_cancel_stops_a_running_task(demo):
    running = demo.until(lambda: demo.first(state="started", name="shop.export_catalogue"), 60)

    assert demo.settle(running, "cancel") == ["succeeded"]

    assert demo.call(f"tasks/{running['id']}/")["state"] == "cancelled"


def test_every_kind_of_traffic_is_seen(demo):
    kinds = {
        "retrying": {"name": "shop.fetch_rates"},
        "scheduled": {"name": "shop.send_reminder"},
        "chain": {"name": "shop.ship"},
        "group": {"name": "shop.resize_picture"},
        "chord": {"name": "shop.summarise_day"},
    }
    for filters in kinds.values():
        assert demo.until(lambda filters=filters: demo.first(**filters), 90)


def retried(demo: Demo, failed: dict[str, Any]) -> dict[str, Any]:
    """The task that runs in place of this one."""
    return dict(demo.until(lambda: demo.first(retry_of=failed["task_id"]), 30))
