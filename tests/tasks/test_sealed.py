"""What agents have sealed is kept as it came, shown to nobody, and handed back to a worker that can open it."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from z4j_core.sealed import MAX_BLOB, MAX_BLOBS

from tests import sealed
from tests import wire as sent
from tests.cast import Cast
from z4j_brain.agents import redaction
from z4j_brain.agents.models import Agent, RedactionPolicy
from z4j_brain.gateway import parser, plain
from z4j_brain.housekeeping.kinds import Tasks
from z4j_brain.operations.models import Operation
from z4j_brain.tasks import actions, replay
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Event, Sealed, Task

OPAQUE = b"opaque-bytes-of-an-agent"
KID, OLD = "k" * 16, "o" * 16
PUBLIC = base64.b64encode(b"p" * 32).decode()
BOOTS = [uuid.UUID(int=number) for number in range(1, 4)]


def blob(content: bytes = OPAQUE, kid: str = KID) -> dict[str, str]:
    return {"kid": kid, "blob": base64.b64encode(content).decode()}


def online(seq: int = 1, **data: Any) -> dict[str, Any]:
    event = sent.online(seq, vault="v1")
    return event | {"data": event["data"] | data}


class Scene:
    """Harbor's production: a failed task whose original came sealed."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.key, self.place = cast, cast.agent_key(), cast.production
        self.worker = self.join(BOOTS[0], vault="v1")
        self.report(sent.event(2, "task.failed", "t1", name="shop.pay", vault="v1", sealed=blob()))
        self.task = Task.objects.get(task_id="t1")

    def join(self, boot: uuid.UUID, **data: Any) -> Agent:
        ingest(self.key, sent.parsed(online(**data), boot=boot))
        return Agent.objects.get(boot=boot)

    def report(self, *events: dict[str, Any]) -> Any:
        return ingest(self.key, sent.parsed(*events, boot=BOOTS[0]))

    def leave(self) -> None:
        """The worker that keeps the vault has gone."""
        Agent.objects.filter(pk=self.worker.pk).update(seen_at=timezone.now() - timedelta(hours=1))

    def retry(self, *tasks: Task) -> Operation:
        pks = [task.pk for task in tasks or [self.task]]
        return actions.retry(self.place, pks, actor=self.cast.actor("oscar"), reason="try")

    def argument_line(self) -> replay.Line:
        return next(line for line in replay.verdict(self.task) if line.code == "arguments")


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return Scene(cast)


def test_it_is_kept_by_itself_and_nowhere_else(scene: Scene, client: Client) -> None:
    kept = Sealed.objects.get(task=scene.task)
    assert (kept.kid, bytes(kept.blob)) == (KID, OPAQUE)
    assert all("sealed" not in event.data for event in Event.objects.all())

    client.force_login(scene.cast.user("oscar"))
    told = blob()["blob"]
    for address in (
        f"/api/v1/harbor/production/tasks/{scene.task.pk}/",
        f"/api/v1/harbor/production/tasks/{scene.task.pk}/events/",
        f"/harbor/production/tasks/{scene.task.pk}/",
    ):
        answer = client.get(address, follow=True)
        assert told not in answer.content.decode()
        assert OPAQUE not in answer.content


@pytest.mark.parametrize("harmful", ["", "\x7f"], ids=["at_once", "carefully"])
def test_both_ways_through_the_parser_take_it_alike(harmful: str) -> None:
    event = sent.event(2, sealed=blob(), result=f"r{harmful}")
    raw = sent.raw(sent.batch(event, sent.event(3)))
    assert (plain.read(raw) is None) == bool(harmful)
    first, second = parser.parse(raw).events
    assert first.sealed == (KID, OPAQUE)
    assert second.sealed is None
    assert "sealed" not in first.event
    assert "sealed" not in json.loads(first.text)


@pytest.mark.parametrize(
    "wrong",
    ["text", [], {}, {"kid": KID}, blob() | {"blob": "%"}, blob() | {"blob": "A" * (MAX_BLOB + 4)},
     blob() | {"kid": "k" * 17}, blob() | {"kid": 7}, blob() | {"more": 1}, blob() | {"blob": ""}],
)  # fmt: skip
def test_what_is_no_blob_turns_its_event_away_and_no_other(wrong: Any) -> None:
    batch = parser.parse(sent.raw(sent.batch(sent.event(2, sealed=wrong), sent.event(3))))
    assert [event.seq for event in batch.events] == [3]
    assert [event.seq for event in batch.rejected] == [2]


def test_of_two_the_newer_one_stays_whatever_comes_last(scene: Scene) -> None:
    scene.report(
        sent.event(5, "task.received", "t1", sealed=blob(b"newest")),
        sent.event(4, "task.enqueued", "t1", sealed=blob(b"newer")),
    )
    scene.report(sent.event(3, "task.received", "t1", sealed=blob(b"between")))
    assert bytes(Sealed.objects.get().blob) == b"newest"


def test_a_task_of_another_tenant_with_the_same_id_has_its_own(scene: Scene) -> None:
    event = sent.event(1, "task.failed", "t1", sealed=blob(b"island"))
    ingest(scene.cast.agent_key("island", "production"), sent.parsed(event, boot=BOOTS[2]))
    assert bytes(Sealed.objects.get(task=scene.task).blob) == OPAQUE
    assert Sealed.objects.count() == 2


def test_it_goes_with_its_task(scene: Scene) -> None:
    assert Tasks().forget([scene.task.pk]) == 1
    assert not Sealed.objects.exists()


def test_a_retry_brings_it_to_a_worker_that_has_the_key(scene: Scene) -> None:
    scene.join(BOOTS[1], vault="v2")
    able = scene.join(BOOTS[2], vault="v3", seal_key=PUBLIC, seal_kids=["n" * 16, KID])
    scene.leave()
    scene.retry()

    assert sealed.lease(Agent.objects.get(boot=BOOTS[1])) == []
    [command] = sealed.lease(able)
    assert command["targets"][0]["sealed"] == blob()


def test_the_worker_that_keeps_the_vault_is_asked_first_and_gets_it_too(scene: Scene) -> None:
    scene.join(BOOTS[1], vault="v2", seal_key=PUBLIC, seal_kids=[KID])
    scene.retry()
    [command] = sealed.lease(scene.worker)
    assert command["targets"][0]["sealed"] == blob()


def test_other_verbs_bring_nothing(scene: Scene) -> None:
    scene.report(sent.event(3, "task.started", "t2", run=sent.START, sealed=blob()))
    actions.cancel(scene.place, [Task.objects.get(task_id="t2").pk], actor=scene.cast.actor("oscar"))
    [command] = sealed.lease(scene.worker)
    assert "sealed" not in command["targets"][0]


def test_a_command_carries_no_more_than_it_may(scene: Scene) -> None:
    large = b"x" * (MAX_BLOB * 3 // 4)
    count = MAX_BLOBS // MAX_BLOB + 5
    for number in range(count):
        vault = "v1" if number % 2 else "gone"
        event = sent.event(number + 10, "task.failed", f"l{number}", name="shop.pay", vault=vault, sealed=blob(large))
        scene.report(event)
    scene.join(BOOTS[0], vault="v1")
    scene.retry(*Task.objects.filter(task_id__startswith="l"))
    targets = [one for command in sealed.lease(scene.worker, 10) for one in command["targets"]]
    carried = [one for one in targets if "sealed" in one]
    assert sum(len(one["sealed"]["blob"]) for one in carried) <= 2 * MAX_BLOBS
    assert {one["item"] for one in targets if one["vault"] == "gone"} <= {one["item"] for one in carried}


def test_what_is_known_before_a_retry_says_who_could_open_it(scene: Scene) -> None:
    scene.leave()
    assert "no worker that has the key answers" in scene.argument_line().text
    scene.join(BOOTS[1], vault="v2", seal_key=PUBLIC, seal_kids=[OLD])
    assert "no worker that has the key answers" in scene.argument_line().text
    scene.join(BOOTS[2], vault="v3", seal_key=PUBLIC, seal_kids=[KID, OLD])
    assert scene.argument_line().tone == replay.Tone.GOOD


def test_the_policy_hands_out_the_key_of_the_worker_that_began_last_unless_people_set_one(scene: Scene) -> None:
    def told() -> str:
        return redaction.document(scene.place)["seal_key"]

    first, second, set_by_people = (base64.b64encode(bytes([one]) * 32).decode() for one in (1, 2, 3))
    assert told() == ""
    scene.join(BOOTS[1], seal_key=first, seal_kids=[KID])
    scene.join(BOOTS[2], seal_key=second, seal_kids=[KID])
    assert told() == second
    Agent.objects.update(seen_at=timezone.now() - timedelta(days=2))
    assert told() == ""
    RedactionPolicy.objects.create(environment=scene.place, seal_key=set_by_people)
    assert told() == set_by_people


@pytest.mark.parametrize("wrong", ["public", "", "A" * 44, 7, None, ["x"]])
def test_what_is_no_key_is_not_handed_out(scene: Scene, wrong: Any) -> None:
    scene.join(BOOTS[1], seal_key=wrong, seal_kids=[KID])
    assert redaction.document(scene.place)["seal_key"] == ""
