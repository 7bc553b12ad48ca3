"""`z4j schedules ...`: what is planned, and what people ask of it, in a pipe and on a terminal."""

from __future__ import annotations

import uuid

import pytest

from tests import wire as sent
from tests.remote.conftest import Agent, Shell, unpainted

VERBS = ("schedule_enable", "schedule_disable", "schedule_run", "schedule_edit", "schedule_create", "schedule_delete")


class Beat(Agent):
    """The agent of a scheduler that does what it is told. Its keys begin with its `mark`."""

    def __init__(self, brain) -> None:
        super().__init__(brain)
        able = {verb: {"note": f"its own way to {verb}", "support": "native"} for verb in VERBS}
        hello = sent.online(vault=str(self.boot), allowed=VERBS)["data"]
        hello["engines"] = [{"name": "celerybeat", "version": "5.7.0", "capabilities": able}]
        self.say({"kind": "agent.online", "ts": sent.now(), "data": hello})

    def plans(self, name: str, **more) -> str:
        """A schedule of it; its key."""
        key = f"{self.mark}-{name}"
        facts = {"task": "shop.bill", "engine": "celery", "plan": "cron", "text": "0 3 * * *", "cron": "0 3 * * *"}
        facts |= {"zone": "Europe/Berlin", "enabled": True, "definition": "store", "queue": self.mark}
        told = {"kind": "schedule.told", "engine": "celerybeat", "schedule": key, "ts": sent.now()}
        self.say(told | {"data": facts | more})
        return key


@pytest.fixture
def beat(brain):
    beat = Beat(brain)
    yield beat
    beat.close()


@pytest.fixture
def adam(brain):
    return Shell(brain.url, brain.tokens["adam"])


def test_schedules_are_listed_and_shown_by_key_with_what_can_be_done(shell, beat):
    key, off = beat.plans("nightly"), beat.plans("off", enabled=False)

    some = shell("schedules", "list", "--queue", beat.mark, "--limit", 1)
    active = shell("schedules", "list", "--queue", beat.mark, "--filter", "enabled=true")
    shown = shell("schedules", "show", f"celerybeat/{key}")
    table = shell.terminal("schedules", "show", key).end()

    assert [row["key"] for row in some.document["results"]] == [off] and some.document["more"]
    assert [row["key"] for row in active.document["results"]] == [key]
    assert shown.document["capabilities"]["run"]["can"] and len(shown.document["next"]) == 5
    assert "can disable" in unpainted(table.out) and "its own way to schedule_run" in unpainted(table.out)


def test_a_schedule_is_disabled_until_some_time_and_run_and_its_runs_are_told(shell, beat):
    key = beat.works().plans("nightly")

    off = shell("schedules", "disable", key, "--until", "2099-01-01T00:00Z", "--reason", "month end", "--yes")
    shown = shell("schedules", "show", key).document
    run = shell("schedules", "run", key, "--yes")

    assert (off.code, off.document["state"]) == (0, "succeeded")
    assert (shown["enabled"], shown["disabled"]["reason"]) == (False, "month end")
    assert shown["disabled"]["until"] == "2099-01-01T00:00:00Z"
    assert run.code == 0 and shell("schedules", "runs", key).document == {"results": [], "more": False}
    assert shell("schedules", "enable", key).code == 2, "nobody is there to be asked"


def test_one_of_z4js_own_is_made_changed_exported_taken_in_and_deleted(adam, shell, tmp_path):
    key = f"own-{uuid.uuid4().hex[:8]}"

    made = adam("schedules", "create", key, "--task", "shop.bill", "--engine", "celery", "--every", 90, "--args", "[1]")
    again = adam("schedules", "create", key, "--task", "shop.bill", "--engine", "celery", "--every", 90)
    edited = adam("schedules", "edit", key, "--cron", "0 4 * * *", "--zone", "Europe/Berlin")
    out = adam("schedules", "export", "--filter", f"key={key}")
    file = tmp_path / "crontab"
    file.write_text(out.out)
    gone = adam("schedules", "delete", key, "--yes")
    dry = adam("schedules", "import", file, "--dry-run")
    back = adam("schedules", "import", file, "--yes")

    assert (made.code, made.document["every"], made.document["source"]) == (0, 90.0, "z4j")
    assert again.code == 2 and again.problem["errors"][0]["pointer"] == "#/key"
    assert (edited.code, edited.document["cron"], edited.document["version"]) == (0, "0 4 * * *", 2)
    assert (out.code, gone.code) == (0, 0) and "0 4 * * * shop.bill [1]" in out.out
    assert [one["key"] for one in dry.document["schedules"]] == [key] and dry.document["dry_run"]
    assert back.code == 0 and shell("schedules", "show", key).document["cron"] == "0 4 * * *"
    assert adam("schedules", "import", file, "--yes").code == 1, "they are there already"


def test_one_of_a_scheduler_is_made_and_changed_by_operations_that_are_followed(adam, beat):
    key, new = beat.works().plans("nightly"), f"{beat.mark}-new"

    made = adam("schedules", "create", new, "--source", "celerybeat", "--task", "shop.tidy", "--cron", "0 5 * * *")
    edited = adam("schedules", "edit", key, "--zone", "UTC")

    assert (made.code, made.document["action"], made.document["state"]) == (0, "schedule.create", "succeeded")
    assert (edited.code, adam("schedules", "show", key).document["zone"]) == (0, "UTC")


def test_one_is_copied_from_its_scheduler_to_z4j_and_back(adam, beat):
    key = beat.works().plans("nightly", args="['<email>']", kwargs="{}")
    plain = beat.plans("plain")

    hidden = adam("schedules", "copy", f"celerybeat/{key}", "--to", "z4j")
    own = adam("schedules", "copy", f"celerybeat/{key}", "--to", "z4j", "--args", '["a@b.example"]')
    bare = adam.terminal("schedules", "copy", f"celerybeat/{plain}", "--to", "z4j", "--key", f"{plain}-own").end()
    back = adam("schedules", "copy", f"z4j/{key}", "--to", "celerybeat", "--key", f"{key}-again")

    assert hidden.code == 2 and "redacted: say them with --args" in hidden.aside
    assert (own.code, bare.code, back.code) == (0, 0, 0)
    told = (own.document["cron"], own.document["zone"], own.document["engine"], own.document["queue"])
    assert told == ("0 3 * * *", "Europe/Berlin", "celery", beat.mark)
    assert own.document["args"] == '["a@b.example"]'
    assert f"celerybeat/{plain} goes on as well" in unpainted(bare.out)
    assert (back.document["action"], back.document["state"]) == ("schedule.create", "succeeded")
    assert adam("schedules", "copy", f"z4j/{key}", "--to", "z4j").code == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["show", "no-such"], 2, "no such schedule"),
        (["list", "--filter", "colour=red"], 2, "Unknown filter."),
        (["create", "k", "--task", "a.b", "--engine", "celery", "--cron", "0 0 31 2 *"], 2, "never"),
        (["create", "k", "--task", "a.b", "--engine", "celery", "--cron", "0 0 * * *", "--zone", "Mars"], 2, "zone"),
        (["import", "/nowhere"], 2, "cannot be read"),
        (["fry"], 2, "z4j schedules list"),
    ],
)
def test_what_cannot_be_meant_ends_with_a_sentence(adam, words, code, says):
    said = adam("schedules", *words)

    assert (said.code, said.out) == (code, "") and says in said.aside


def test_whose_role_lacks_it_fails(shell):
    said = shell("schedules", "create", "k", "--task", "a.b", "--engine", "celery", "--every", 60)

    assert said.code == 1 and said.problem["status"] == 403
