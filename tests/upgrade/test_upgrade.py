"""An installation of the state before, brought up to today: nothing is lost, nothing is changed, and life goes on."""

from __future__ import annotations

import http.cookies
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from z4j_core import wire

from tests import wire as sent
from tests.brain import Brain
from tests.gateway.conftest import execute
from tests.store import Store
from tests.upgrade import fixture, installation, readback
from z4j_brain.stats.models import ByName, ByQueue
from z4j_brain.stats.states import ENDS, Grain

#: The tables of statistics, and the seconds that their rows sum up.
ROLLUPS = [(ByQueue._meta.db_table, grain.value) for grain in Grain]
ROLLUPS += [(ByName._meta.db_table, grain.value) for grain in (Grain.HOUR, Grain.DAY)]
PLACE = "/harbor/production"
#: What roles may do: a release gives them more.
GIVEN = ("/rbac_projectuserobjectpermission: ", "/rbac_environmentuserobjectpermission: ")


@dataclass
class Upgraded:
    """A brain of today on the data of before: what it said then, as its times read now, and what it says at first.

    `ended`: by table and grain of the rollups, how many tasks ended in each state.
    """

    brain: Brain
    before: dict[str, Any]
    said: dict[str, Any]
    says: dict[str, Any]
    ended: dict[tuple[str, int], dict[str, int]]

    def tasks(self, place: str = "") -> list[dict[str, Any]]:
        return [task for root, found in self.said.items() if re.fullmatch(f"{place}.*/tasks/", root) for task in found]

    def agent(self) -> installation.Reporter:
        """The agent that was there before, with the numbers it had come to."""
        agent = installation.Reporter(self.brain, installation.BOOT)
        [known] = execute(self.brain, "SELECT received FROM agents_agent WHERE boot = ?", _boot(self.brain))
        agent.seq = max(map(int, re.findall(r"\d+", str(known))))
        return agent


@pytest.fixture(scope="module")
def upgraded(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    name, before = f"before-{os.getpid()}", fixture.told(store)
    moved = fixture.restore(store, name, before["made_at"])
    store.run(store.folder / name, "manage.py", "migrate", "--verbosity=0", url=store.url(name))
    brain = Brain(store, tmp_path_factory.mktemp("upgraded") / "brain", adopted=name, cast=before["cast"])
    brain.start()
    yield Upgraded(brain, before, fixture.shifted(before["api"], moved), readback.read(brain), _ended(brain))
    brain.close()


def test_all_that_was_there_is_read_back_as_it_was(upgraded):
    assert len(upgraded.tasks()) > 150
    assert [one for one in _other("", upgraded.said, upgraded.says) if not one.startswith(GIVEN)] == []


def test_the_statistics_count_each_task_of_before_once(upgraded):
    ends = Counter(task["state"] for task in upgraded.tasks() if task["state"] in ENDS)

    assert upgraded.ended == dict.fromkeys(ROLLUPS, ends)


def test_every_entry_of_the_ledger_is_the_same_to_the_byte_and_cannot_be_changed(upgraded):
    after = readback.ledger(upgraded.brain)

    assert upgraded.before["ledger"].items() <= after.items()
    for table in ("ledger_entry", "ledger_entryprivate"):
        with pytest.raises((psycopg.Error, sqlite3.Error), match="insert-only"):
            execute(upgraded.brain, f"DELETE FROM {table}")  # noqa: S608


def test_people_sign_in_with_the_password_they_had_and_see_what_they_saw(upgraded):
    cookies = _sign_in(upgraded.brain, "vera", upgraded.before["cast"]["password"])
    failed = next(task for task in upgraded.tasks() if task["task_id"] == "celery-failed")
    operation = upgraded.before["filled"]["waiting"]["id"]
    workers = upgraded.says["harbor/production/workers/"]
    worker = next(one for one in workers if one["name"] == "celery-1@box-1")

    pages = {
        f"{PLACE}/tasks/?state=dead_lettered": "shop.dead_lettered",
        f"{PLACE}/tasks/{failed['id']}/": "SMTPServerDisconnected",
        f"{PLACE}/operations/{operation}/": "all of them",
        f"{PLACE}/workers/": "Workers",
        f"{PLACE}/workers/{worker['id']}/": "celery-1@box-1",
        f"{PLACE}/queues/": "mail",
        f"{PLACE}/agents/": "shop",
    }
    for path, shown in pages.items():
        status, _, body = upgraded.brain.request("GET", path, headers=cookies)
        assert (status, shown in body.decode()) == (200, True), path
    assert upgraded.brain.request("GET", "/island/production/tasks/", headers=cookies)[0] == 404


def test_a_batch_of_before_is_still_known_and_gets_the_answer_it_got(upgraded):
    agent = upgraded.agent()

    for body, answer in upgraded.before["filled"]["batches"]:
        assert agent.call("POST", wire.EVENTS_PATH, body.encode()) == (200, answer)


def test_an_agent_goes_on_where_it_was(upgraded):
    agent, now = upgraded.agent(), sent.now()
    started = agent.ask("GET", f"tasks/{agent.task('celery-started')}/", status=200)
    task = installation.Told("celery", "celery-started", now)
    agent.say(task("progress", run=now), task("succeeded", run=now, result="at last"))

    ended = agent.ask("GET", f"tasks/{started['id']}/", status=200)
    assert (started["state"], ended["state"], ended["result"]) == ("started", "succeeded", "at last")
    assert (ended["name"], ended["args"]) == (started["name"], started["args"])
    events = agent.ask("GET", f"tasks/{started['id']}/events/", status=200)["results"]
    assert [event["kind"] for event in events[:2]] == ["task.succeeded", "task.progress"]


def test_an_event_that_comes_late_rebuilds_a_task_of_before_from_all_its_events(upgraded):
    agent = upgraded.agent()
    pk = agent.task("celery-failed")
    before = agent.ask("GET", f"tasks/{pk}/", status=200)

    late = installation.Told("celery", "celery-failed", sent.now() - 2 * installation.HOUR)
    agent.say(late("enqueued", priority=9, root_id="a-root"))

    after = agent.ask("GET", f"tasks/{pk}/", status=200)
    assert (after["state"], after["root_id"]) == ("failed", "a-root")
    assert after["error_message"] == before["error_message"]
    assert after["started_at"] == before["started_at"]


def test_what_waited_is_delivered_and_a_new_retry_works(upgraded):
    agent = upgraded.agent()
    agent.say({"kind": "agent.heartbeat", "ts": sent.now(), "data": {}})
    commands = agent.settle(new_task_id="day-again")
    waited = agent.ask("GET", f"operations/{upgraded.before['filled']['waiting']['id']}/", status=200)

    assert [command["verb"] for command in commands] == ["retry"]
    assert (waited["state"], waited["succeeded"]) == ("succeeded", 2)

    failed = agent.task("celery-day-11")
    asked = agent.ask("POST", f"tasks/{failed}/retry/", {"reason": "after the upgrade"})
    agent.settle(new_task_id="celery-day-11-again")

    assert agent.ask("GET", f"operations/{asked['id']}/", status=200)["state"] == "succeeded"
    again = agent.task("celery-failed")
    same = agent.ask("POST", f"tasks/{again}/retry/", {"reason": "mail is back"}, headers=installation.KEY)
    assert same["id"] in [one["id"] for one in upgraded.said["harbor/production/operations/"]]


def test_new_tasks_get_ids_that_nothing_had(upgraded):
    agent = upgraded.agent()
    agent.say(installation.Told("celery", "after-the-upgrade", sent.now())("enqueued"))

    assert agent.task("after-the-upgrade") > max(task["id"] for task in upgraded.tasks())


def _other(path: str, before: Any, now: Any) -> Iterator[str]:
    """Where `now` says other than `before` did. It may say more: the API only grows."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key, value in before.items():
            if key in now:
                yield from _other(f"{path}/{key}", value, now[key])
            else:
                yield f"{path}/{key} is gone"
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for number, (value, other) in enumerate(zip(before, now, strict=True)):
            yield from _other(f"{path}[{number}]", value, other)
    elif before != now:
        yield f"{path}: {before!r} is now {now!r}"


def _ended(brain: Brain) -> dict[tuple[str, int], dict[str, int]]:
    sums = ", ".join(f"sum({state})" for state in ENDS)
    found = {}
    for table, grain in ROLLUPS:
        [row] = execute(brain, f"SELECT {sums} FROM {table} WHERE grain = ?", grain)  # noqa: S608
        found[table, grain] = {state: int(count) for state, count in zip(ENDS, row, strict=True)}
    return found


def _boot(brain: Brain) -> str:
    return str(installation.BOOT) if brain.database_url else installation.BOOT.hex


def _sign_in(brain: Brain, name: str, password: str) -> dict[str, str]:
    """The header with the session's cookie."""
    _, headers, body = brain.request("GET", "/sign-in/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', body.decode())
    form = {"login": name, "password": password, "csrfmiddlewaretoken": token[1] if token else ""}
    cookies = _cookies(headers) | {"Content-Type": "application/x-www-form-urlencoded", "Referer": brain.url}
    status, headers, body = brain.request("POST", "/sign-in/", urlencode(form).encode(), headers=cookies)
    assert status == 302, body
    return _cookies(headers)


def _cookies(headers: Any) -> dict[str, str]:
    jar = http.cookies.SimpleCookie()
    for line in headers.get_all("Set-Cookie", []):
        jar.load(line)
    return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())}
