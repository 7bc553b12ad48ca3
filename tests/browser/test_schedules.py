"""Schedules in a browser: what became of each run is seen as what it was, and they are steered by keyboard alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.browser.shop import SECOND, Worker, now
from tests.store import ROOT

HERE = "/harbor/production/schedules"
MINUTE = 60 * SECOND
#: Celery's beat, as the agent in its process tells of it.
BEAT = {
    "name": "celerybeat",
    "version": "5.7.0",
    "capabilities": {verb: {"note": "", "support": "native"} for verb in ("schedule_enable", "schedule_disable")},
    "missing": {"schedule_run": "Beat has no door for that here."},
    "advice": [],
}
ALLOWED = ["schedule_enable", "schedule_disable"]


class Beat(Worker):
    """The process in which the scheduler runs. Each test has a schedule of its own."""

    def __init__(self, brain):
        super().__init__(brain, name=f"beat-{uuid4().hex[:6]}")
        self.key = f"nightly-{uuid4().hex[:8]}"

    def online(self):
        data = {"role": "scheduler", "engines": [BEAT], "vault": "", "allowed": ALLOWED, "refused": {}, "problems": []}
        self.tell("agent.online", data=data)
        self.tell("scheduler.heartbeat", engine="celerybeat", worker=self.name, data={"tick": now()})
        self.send()
        return self

    def schedule(self, at=0, /, **facts):
        usual = {"task": "shop.close_ledger", "engine": "celery", "plan": "interval", "every": MINUTE, "zone": "UTC"}
        usual |= {"text": "every minute", "enabled": True, "definition": "code", "args": "('no-9',)"}
        self._told("schedule.told", at or now(), engine="celerybeat", schedule=self.key, data=usual | facts)
        self.send()

    def fired(self, due, late=0, runs=SECOND, end="succeeded", begins=0):
        """A run, from being sent to its end. `end`: empty where it has none yet. `begins`: so long after."""
        task_id, at = str(uuid4()), due + late
        self._said("schedule.fired", at, engine="celerybeat", schedule=self.key, task_id=task_id, due=due)
        base = {"engine": "celery", "task_id": task_id, "name": "shop.close_ledger", "queue": "q", "attempt": 0}
        self._told("task.enqueued", at, **base, schedule=self.key)
        self._told("task.started", at + begins, **base, run=at + begins, worker="w-1")
        if end:
            error = {"error": {"type": "ValueError", "message": "no", "traceback": ""}} if end == "failed" else {}
            ms = {"runtime_ms": runs / 1000}
            self._told(f"task.{end}", at + begins + runs, **base, run=at + begins, worker="w-1", **ms, **error)
        self.send()
        return task_id

    def _said(self, kind, at, *, due, **event):
        self._told(kind, at, **event, data={"engine": "celery", "due": due})

    def _told(self, kind, at, **event):
        self.told.append({"seq": next(self.seq), "kind": kind, "ts": at, **event})


@pytest.fixture
def beat(brain):
    return Beat(brain).online()


def shown(visit, beat, who="vera", **options):
    """The page of the schedule."""
    page = visit(who, f"{HERE}/?q={beat.key}", **options)
    page.get_by_role("link", name=beat.key, exact=True).click()
    expect(page.get_by_role("heading", name=beat.key, exact=True)).to_be_visible()
    return page


def row(page, text):
    return page.locator("#schedule-runs tbody tr").filter(has_text=text)


def mark(page, words):
    return page.locator("#schedule-runs svg.ticks").get_by_label(re.compile(words))


def test_runs_are_seen_as_what_they_were(visit, beat):
    start = now() - 30 * MINUTE
    beat.schedule()
    good = beat.fired(start)
    beat.fired(start + MINUTE, end="failed")
    beat.fired(start + 2 * MINUTE, late=125 * SECOND)
    beat.fired(start + 5 * MINUTE, runs=3 * MINUTE)
    beat.fired(start + 6 * MINUTE)

    page = shown(visit, beat)

    expect(page.locator("#schedule-runs .section-head p")).to_contain_text(
        "4 succeeded, 1 failed, 1 overlapped, 1 late"
    )
    expect(row(page, "overlapped the run before")).to_have_count(1)
    expect(row(page, "2 min 05 s")).to_have_count(1)
    expect(page.locator("#schedule-runs tbody .state.failed")).to_have_text("Failed")
    expect(mark(page, "overlapped the run before it").locator(".overlap")).to_have_count(1)
    expect(mark(page, "2 min 05 s late").locator(".late")).to_have_count(1)
    mark(page, "succeeded in 1.0 s").first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/tasks/[0-9]+/"))
    expect(page.locator("main")).to_contain_text(good)


def test_what_nobody_sent_is_missed_where_the_scheduler_was_alive_and_else_unknown(visit, beat, brain):
    start = now() - 12 * MINUTE
    beat.schedule(start, plan="cron", cron="* * * * *")
    for half in range(12):
        beat.tell(
            "scheduler.heartbeat", engine="celerybeat", worker=beat.name, data={"tick": start + half * MINUTE // 2}
        )
    beat.send()
    judge(brain)

    page = shown(visit, beat)

    expect(row(page, "celerybeat was alive and did not send it").locator(".state").first).to_have_text("Missed")
    expect(row(page, "celerybeat was not heard of at that time").locator(".state").first).to_have_text("Unknown")
    expect(mark(page, "missed").first.locator(".missed")).to_have_count(1)
    expect(mark(page, "unknown").first.locator(".unknown")).to_have_count(1)


def test_a_run_shows_up_while_somebody_looks(visit, beat):
    beat.schedule()
    page = shown(visit, beat)
    expect(page.locator("html[data-live=live]")).to_be_attached()
    beat.fired(now() - SECOND)
    expect(page.locator("#schedule-runs tbody tr")).to_have_count(1)


def test_it_is_disabled_and_enabled_by_keyboard_alone(visit, beat):
    beat.schedule()
    page = shown(visit, beat, "oscar")
    expect(page.locator("#no-enable")).to_contain_text("It is enabled already.")
    expect(page.locator("#no-run")).to_contain_text("Beat has no door for that here.")

    page.keyboard.press("d")
    page.keyboard.type("the ledger is being moved")
    page.keyboard.press("Enter")
    expect(page.locator("#schedule-asked")).to_contain_text("Disable requested")
    command = asked(beat, "schedule_disable")
    expect(page.locator("html[data-live=live]")).to_be_attached()
    beat.schedule(enabled=False)
    settle(beat, command)
    expect(page.locator("#schedule-notices")).to_contain_text("Disabled by oscar")
    expect(page.locator("#schedule-notices")).to_contain_text("the ledger is being moved")
    expect(page.locator("#no-disable")).to_contain_text("It is disabled already.")

    page.locator("#do-enable").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#schedule-asked")).to_contain_text("Enable requested")
    command = asked(beat, "schedule_enable")
    expect(page.locator("html[data-live=live]")).to_be_attached()
    beat.schedule()
    settle(beat, command)
    expect(page.locator("#schedule-head")).to_contain_text("Enabled")
    expect(page.locator("#no-enable")).to_contain_text("It is enabled already.")


def test_arguments_are_shown_to_whoever_asks_and_to_no_audience(visit, beat):
    beat.schedule()
    page = shown(visit, beat, "oscar")
    expect(page.locator("main")).not_to_contain_text("no-9")
    page.locator("#ask-to-show").click()
    page.keyboard.type("a customer calls")
    page.keyboard.press("Enter")
    expect(page.locator("#schedule-arguments")).to_contain_text("no-9")
    page.locator("#hide").click()
    expect(page.locator("main")).not_to_contain_text("no-9")


def test_a_plan_is_told_while_it_is_typed_and_made(visit, worker):
    key = f"report-{uuid4().hex[:8]}"
    page = visit("olive", f"{HERE}/new/")
    page.get_by_label("Name", exact=True).fill(key)
    page.get_by_label("Engine").fill("celery")
    page.get_by_label("Task", exact=True).fill("shop.report")
    page.get_by_label("Cron", exact=True).nth(1).fill("0 3 * * 1-5")
    expect(page.locator("#plan-words")).to_contain_text("Every weekday at 03:00")
    page.get_by_label("Time zone").fill("Europe/Wien")
    expect(page.locator("#plan-words")).to_contain_text("There is no time zone Europe/Wien.")
    page.get_by_label("Time zone").fill("Europe/Vienna")
    expect(page.locator("#plan-words tbody tr")).to_have_count(5)
    page.locator("#save").click()
    expect(page.get_by_role("heading", name=key)).to_be_visible()
    expect(page.locator("#schedule-facts")).to_contain_text("Europe/Vienna")


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_scrolls_sideways(visit, beat, width):
    beat.schedule(zone="America/Argentina/ComodRivadavia", task=f"shop.{'very_' * 20}long")
    for age in range(1, 34):
        beat.fired(now() - age * MINUTE)
    page = shown(visit, beat, "olive", width=width)
    addresses = [page.url, *(f"{HERE}/{path}" for path in ("", "next/", "new/", "import/"))]
    for address in addresses:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def asked(beat, verb):
    """The command about this schedule."""
    for _ in range(20):
        for command in beat._poll():
            if command["verb"] == verb and command["targets"][0]["name"] == beat.key:
                return command
    raise AssertionError(f"Nobody asked for {verb}.")


def settle(beat, command):
    results = [{"item": target["item"], "outcome": "done", "detail": ""} for target in command["targets"]]
    told = {"v": 1, "boot": beat.boot, "command": command["id"], "fence": command["fence"], "results": results}
    status, _, body = beat.brain.request("POST", "/agent/v1/results", json.dumps(told).encode(), headers=beat.headers)
    assert status == 200, body


def judge(brain):
    """What housekeeping does once it has listened for a while."""
    code = "import django; django.setup(); from django.utils import timezone"
    code += "; from z4j_brain.schedules.detection import detect; detect(timezone.now())"
    subprocess.run([sys.executable, "-c", code], env=brain.environment(), cwd=ROOT, check=True)
