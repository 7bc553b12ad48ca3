"""The demo keeps its promise: tasks arrive, Retry runs one again, Cancel stops one, and nothing stays behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.live.demo import Demo, engines, sources

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
            arrived = partial(demo.first, engine=engine, state__in=states)
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


def test_six_sources_of_schedules_and_more_are_seen_within_two_minutes(demo):
    def seen() -> set[str]:
        return {schedule["source"] for schedule in demo.schedules()}

    def complete() -> bool:
        return len(seen()) >= 6 and all(seen() & set(names) for names in sources())

    left = demo.since + 120 - time.monotonic()
    assert demo.until(complete, max(left, 1), f"a schedule of each of {sources()}; seen were {seen()}")


@pytest.mark.parametrize("names", sources(), ids=lambda names: names[0])
def test_a_schedule_is_disabled_enabled_and_run_or_it_is_said_why_not(demo, names):
    """Through the API, for every scheduler of a department, with the effect told by its agent."""
    for schedule in _one_of_each(demo, names):
        for verb, enabled in (("disable", False), ("enable", True)):
            if _can(demo, schedule, verb):
                assert demo.settle(schedule, verb, "schedules") == ["succeeded"]
                demo.until(partial(_is, demo, schedule, enabled), 30, f"{schedule['source']}: {verb}")
        if _can(demo, schedule, "run"):
            before = {run["task_id"] for run in _runs(demo, schedule)}
            assert demo.settle(schedule, "run", "schedules") == ["succeeded"]
            what = f"{schedule['source']}: a run that was asked for"
            run = demo.until(partial(_asked, demo, schedule, before), 60, what)
            assert demo.until(partial(demo.first, task_id=run["task_id"]), 30)


def _one_of_each(demo: Demo, names: list[str]) -> list[dict[str, Any]]:
    found = {schedule["source"]: schedule for schedule in demo.until(demo.schedules, 120) if schedule["plan"] != "once"}
    return [demo.call(f"schedules/{found[name]['id']}/") for name in names if name in found]


def _is(demo: Demo, schedule: dict[str, Any], enabled: bool) -> bool:
    return bool(demo.call(f"schedules/{schedule['id']}/")["enabled"] is enabled)


def _runs(demo: Demo, schedule: dict[str, Any]) -> list[dict[str, Any]]:
    return list(demo.call(f"schedules/{schedule['id']}/runs/")["results"])


def _can(demo: Demo, schedule: dict[str, Any], verb: str) -> bool:
    """Where it cannot, a sentence says why, and asking for it all the same leaves the schedule as it was."""
    told = schedule["capabilities"][verb]
    if not told["can"]:
        assert told["why"].endswith("."), told
        assert demo.settle(schedule, verb, "schedules")[0] == "failed"
        assert _is(demo, schedule, schedule["enabled"])
    return bool(told["can"])


def _asked(demo: Demo, schedule: dict[str, Any], before: set[str]) -> dict[str, Any] | None:
    fresh = (run for run in _runs(demo, schedule) if run["task_id"] not in before)
    return next((run for run in fresh if run["asked"] and run["task_id"]), None)


def retried(demo: Demo, failed: dict[str, Any]) -> dict[str, Any]:
    """The task that runs in place of this one."""
    return dict(demo.until(lambda: demo.first(retry_of=failed["task_id"]), 30))
