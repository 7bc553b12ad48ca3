"""The demo keeps its promise: tasks arrive, Retry runs one again, Cancel stops one, and nothing stays behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.demo import Demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo"))
    yield demo
    assert demo.stop() == 0
    assert demo.leftovers() == []


def test_a_success_and_a_failure_arrive_soon(demo):
    assert demo.until(lambda: demo.first(state="succeeded"), 60)
    assert demo.until(lambda: demo.first(state="failed"), 90)


def test_retry_runs_a_failed_task_again_with_its_original_arguments(demo):
    failed = demo.until(lambda: demo.first(state="failed", error_type="shop.tasks.TerminalOffline"), 90)

    assert demo.settle(failed, "retry") == ["succeeded"]

    again = demo.until(lambda: demo.first(retry_of=failed["task_id"]), 30)
    again = demo.until(lambda: ended(demo.call(f"tasks/{again['id']}/")), 90)
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


def ended(task: dict[str, Any]) -> dict[str, Any] | None:
    return task if task["state"] in ("succeeded", "failed", "cancelled") else None
