"""A sealed original is revealed to whoever may have it, with a reason and a second person: once, and to nobody else."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests import rows, sealed
from tests import wire as sent
from tests.cast import Cast
from tests.operations.test_outbox import answer
from tests.tasks.test_sealed import BOOTS, KID, PUBLIC, blob
from z4j_brain.agents.models import Agent
from z4j_brain.gateway import parser
from z4j_brain.ledger.models import Entry, EntryPrivate
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import actions as operations
from z4j_brain.operations import expiry
from z4j_brain.operations.models import Command, Item, LateResult, Operation, Revealed
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import ApprovalPolicy, Token
from z4j_brain.tasks import actions
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Task

TO = base64.b64encode(b"one-time public key of 32 bytes!").decode()
SECRET = b"what only the asker can open"
BLOB = base64.b64encode(SECRET).decode()
HERE = "/api/v1/harbor/production/operations/"


class Scene:
    """Harbor's production: a failed task whose original came sealed, and a worker whose owner allows reveals."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.place = cast, cast.production
        self.worker = self.join()
        event = sent.event(2, "task.failed", "t1", name="shop.pay", vault="gone", sealed=blob())
        ingest(cast.agent_key(), sent.parsed(event, boot=BOOTS[0]))
        self.task = Task.objects.get(task_id="t1")

    def join(self, seq: int = 1, **data: Any) -> Agent:
        online = sent.online(seq, allowed=("retry", "reveal"), vault="v1")
        online["data"]["engines"][0]["capabilities"] = {verb: {"note": ""} for verb in ("retry", "reveal")}
        online["data"] |= {"seal_key": PUBLIC, "seal_kids": [KID]} | data
        ingest(self.cast.agent_key(), sent.parsed(online, boot=BOOTS[0]))
        return Agent.objects.get(boot=BOOTS[0])

    def ask(self, who: str = "adam", reason: str = "an order that bounced", to: str = TO) -> Operation:
        actor = who if isinstance(who, Actor) else self.cast.actor(who)
        return actions.reveal(self.place, [self.task.pk], {"to": to}, actor=actor, reason=reason)

    def reveal(self, operation: Operation) -> None:
        """A worker does it."""
        [command] = sealed.lease(self.worker)
        assert answer(self.worker, command, "done", revealed=BLOB)
        operation.refresh_from_db()
        assert operation.state == "succeeded"

    def take(self, operation: Operation, who: str = "adam") -> bytes:
        return bytes(operations.take_revealed(operation, actor=self.cast.actor(who)).blob)


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return Scene(cast)


def test_it_goes_to_a_worker_with_the_key_and_what_comes_back_is_handed_out_once(scene: Scene) -> None:
    operation = scene.ask()
    [command] = sealed.lease(scene.worker)
    assert (command["verb"], command["params"]) == ("reveal", {"to": TO})
    assert command["targets"][0]["sealed"] == blob()
    assert answer(scene.worker, command, "done", revealed=BLOB)
    assert scene.take(operation) == SECRET
    with pytest.raises(Problem) as found:
        scene.take(operation)
    assert found.value.status == 404
    assert not Revealed.objects.exists()


@pytest.mark.parametrize("who", ["oscar", "vera", "audrey"])
def test_to_see_redacted_values_is_not_enough(scene: Scene, who: str) -> None:
    with pytest.raises(Refused):
        scene.ask(who)


def test_it_takes_a_reason_a_key_and_a_proof_of_who_one_is_for_one_task_at_a_time(scene: Scene) -> None:
    assert not scene.place.reason_required
    with pytest.raises(Problem) as found:
        scene.ask(reason=" ")
    assert found.value.errors[0]["pointer"] == "#/reason"
    with pytest.raises(Refused) as refused:
        scene.ask(Actor.of_user(scene.cast.user("adam")))
    assert refused.value.rule == "fresh_mfa"
    event = sent.event(3, "task.failed", "t2", name="shop.pay", sealed=blob())
    ingest(scene.cast.agent_key(), sent.parsed(event, boot=BOOTS[0]))
    both = [one.pk for one in Task.objects.all()]
    with pytest.raises(Problem) as found:
        actions.reveal(scene.place, both, {"to": TO}, actor=scene.cast.actor("adam"), reason="x")
    assert found.value.errors[0]["pointer"] == "#/targets"


@pytest.mark.parametrize("to", [None, "", "AAAA", "%" * 44, base64.b64encode(bytes(33)).decode()])
def test_what_is_no_key_is_not_asked_with(scene: Scene, client: Client, to: str | None) -> None:
    body = {"action": "task.reveal", "targets": [scene.task.pk], "options": {"to": to} if to is not None else {}}
    reply = post(client, scene, "", body | {"reason": "x"})
    assert reply.status_code == 400, reply.content
    assert not Operation.objects.exists()


def test_in_production_a_second_person_says_yes_first(scene: Scene) -> None:
    ApprovalPolicy.objects.all().delete()
    operation = scene.ask()
    assert operation.state == "awaiting_approval"
    assert sealed.lease(scene.worker) == []
    with pytest.raises(Refused):
        operations.approve(operation, actor=scene.cast.actor("adam"), reason="me, again")
    operations.approve(operation, actor=scene.cast.actor("olive"), reason="fine")
    scene.reveal(operation)
    with pytest.raises(Refused) as refused:
        scene.take(operation, "olive")
    assert refused.value.rule == "not_yours"
    assert scene.take(operation) == SECRET


def test_over_the_api_it_is_given_to_the_very_token_that_asked(scene: Scene, client: Client) -> None:
    body = {"action": "task.reveal", "targets": [scene.task.pk], "options": {"to": TO}}
    preview = post(client, scene, "preview/", body).json()
    assert (preview["able"], preview["reason_required"]) == (1, True)
    assert post(client, scene, "", body).status_code == 400
    reply = post(client, scene, "", body | {"reason": "an order"})
    assert reply.status_code == 202, reply.content
    operation = Operation.objects.get()
    address = f"{HERE}{operation.pk}/revealed/"
    assert client.get(address, **scene.cast.bearer("adam")).status_code == 404
    scene.reveal(operation)

    others = {who: client.get(address, **scene.cast.bearer(who)).status_code for who in ("olive", "oscar", "stan")}
    assert others == {"olive": 403, "oscar": 403, "stan": 404}
    scene.cast.token("adams-other", user=scene.cast.user("adam"), name="other", scopes=Token.objects.first().scopes)
    assert client.get(address, **scene.cast.bearer("adams-other")).status_code == 403
    scene.cast.sign_in(client, "adam")
    assert client.get(address).status_code == 403
    client.logout()

    [command] = Command.objects.all()
    assert client.get(address, **scene.cast.bearer("adam")).json() == {"command": str(command.pk), "revealed": BLOB}
    assert client.get(address, **scene.cast.bearer("adam")).status_code == 404


def test_it_is_in_nothing_else_that_is_read_or_kept(scene: Scene, client: Client) -> None:
    operation = scene.ask()
    scene.reveal(operation)
    scene.cast.sign_in(client, "olive")
    paths = [f"{HERE}{operation.pk}/", f"{HERE}{operation.pk}/items/", f"/harbor/production/operations/{operation.pk}/"]
    told = [client.get(path).content.decode() for path in paths]
    told += [repr(list(model.objects.values_list())) for model in (Operation, Command, Item, Entry)]
    told += [bytes(entry.body).decode() for entry in Entry.objects.all()]
    told += [bytes(entry.payload).decode() for entry in EntryPrivate.objects.all()]
    assert "task.reveal" in "".join(told)
    assert not [text for text in told if BLOB in text or SECRET.decode() in text]


def test_after_five_minutes_it_is_gone(scene: Scene) -> None:
    operation = scene.ask()
    scene.reveal(operation)
    Revealed.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Problem):
        scene.take(operation)
    expiry.expire()
    assert not Revealed.objects.exists()


def test_an_answer_that_comes_too_late_keeps_nothing_of_it(scene: Scene) -> None:
    operation = scene.ask()
    [first] = sealed.lease(scene.worker)
    expiry.expire(timezone.now() + timedelta(seconds=31))
    sealed.lease(scene.worker)
    assert not answer(scene.worker, first, "done", revealed=BLOB)
    assert BLOB not in json.dumps(LateResult.objects.get().results)
    assert not Revealed.objects.filter(operation=operation).exists()


def test_no_other_verb_and_no_other_outcome_leaves_any(scene: Scene) -> None:
    actions.retry(scene.place, [scene.task.pk], actor=scene.cast.actor("oscar"), reason="x")
    [command] = sealed.lease(scene.worker)
    assert answer(scene.worker, command, "done", revealed=BLOB)
    scene.ask()
    [command] = sealed.lease(scene.worker)
    assert answer(scene.worker, command, "refused", detail="no", revealed=BLOB)
    assert not Revealed.objects.exists()


@pytest.mark.parametrize("wrong", [7, "%", "", "A" * 100_000])
def test_what_is_not_of_the_form_is_not_taken(wrong: Any) -> None:
    results = [{"item": 1, "outcome": "done", "revealed": wrong}]
    body = {"v": 1, "boot": str(BOOTS[0]), "command": str(BOOTS[1]), "fence": 1, "results": results}
    with pytest.raises(Problem):
        parser.parse_results(sent.raw(body))
    results[0]["revealed"] = BLOB
    assert parser.parse_results(sent.raw(body))["results"][0]["revealed"] == BLOB


def test_where_no_owner_allows_it_or_nothing_is_sealed_the_preview_says_so(scene: Scene, client: Client) -> None:
    scene.join(seq=9, allowed=["retry"], refused={"reveal": "Not here (Z4J_ALLOW)."})
    body = {"action": "task.reveal", "targets": [scene.task.pk], "options": {"to": TO}}
    [left] = post(client, scene, "preview/", body).json()["excluded"]
    assert (left["code"], left["text"]) == ("refused", "Not here (Z4J_ALLOW).")
    bare = rows.task(scene.place)
    [left] = post(client, scene, "preview/", body | {"targets": [bare.pk]}).json()["excluded"]
    assert left["code"] == "args_unavailable"


def test_the_page_names_the_command_to_whoever_may_and_never_what_is_sealed(scene: Scene, client: Client) -> None:
    page, command = f"/harbor/production/tasks/{scene.task.pk}/", f"z4j reveal harbor/production {scene.task.pk}"
    told = {who: client.get(page).content.decode() for who in ("adam", "oscar") if scene.cast.sign_in(client, who)}
    assert {who: command in text for who, text in told.items()} == {"adam": True, "oscar": False}
    bare = rows.task(scene.place)
    scene.cast.sign_in(client, "adam")
    assert "z4j reveal" not in client.get(f"/harbor/production/tasks/{bare.pk}/").content.decode()


def post(client: Client, scene: Scene, path: str, body: dict[str, Any]) -> Any:
    return client.post(HERE + path, json.dumps(body), content_type="application/json", **scene.cast.bearer("adam"))
