"""Commands: only ours, only what the owner allows, and each carried out once, whenever a process dies."""

from __future__ import annotations

import base64
import time

import pytest
from z4j_bare import each
from z4j_bare.allow import ALLOWED, DENIED, AllowList
from z4j_bare.executor import Executor
from z4j_bare.inspection import Inspection, Refused, Unreadable
from z4j_bare.journal import Journal
from z4j_bare.patience import MOST, TRUST, Patience
from z4j_bare.problems import Problems
from z4j_bare.proofs import Proofs
from z4j_bare.transport import Transport
from z4j_bare.trust import Trust
from z4j_bare.witness import Witness
from z4j_core import wire
from z4j_core.engine import Answer
from z4j_core.testing.toy import Toy
from z4j_core.verbs import SUBJECTS

BOOT = "0f7c0b1e-0000-4000-8000-000000000001"


@pytest.fixture
def inspection(brain, dsn, tmp_path):
    transport = Transport(dsn)
    trust = Trust(dsn.key, transport)
    witness = Witness(tmp_path, trust, transport, Problems(), lambda: None)
    yield Inspection(dsn, BOOT, trust, AllowList(), Proofs(witness))
    transport.close()


@pytest.fixture
def worker(make_agent, wait_for, brain):
    """An agent with the toy engine that waits for commands."""

    def start(**settings):
        agent = make_agent(**settings)
        agent.add(Toy())
        agent.role("worker", "w@h")
        wait_for(lambda: agent._boot.id in brain.boots())
        return agent

    return start


def refusal(inspection: Inspection, signed: dict[str, str]) -> tuple[str, str]:
    with pytest.raises(Refused) as found:
        inspection.inspect(signed)
    return found.value.outcome, found.value.why


def test_a_command_of_the_pinned_brain_to_this_agent_is_taken(inspection, brain):
    command = brain.command(BOOT)
    assert inspection.inspect(brain.sign(command)) == command


@pytest.mark.parametrize(
    ("changes", "outcome", "word"),
    [
        ({"audience": "0f7c0b1e-0000-4000-8000-000000000002"}, "refused", "another agent"),
        ({"environment": "staging"}, "refused", "another environment"),
        ({"project": "island"}, "refused", "another environment"),
        ({"expires": 1}, "expired", "expired"),
        ({"verb": "restart"}, "refused", "Z4J_ALLOW"),
        ({"verb": "purge"}, "refused", "Z4J_ALLOW"),
        ({"verb": "made_up"}, "refused", "Z4J_ALLOW"),
    ],
)
def test_a_command_that_is_not_for_us_now_is_refused_with_a_sentence(inspection, brain, changes, outcome, word):
    found, why = refusal(inspection, brain.sign(brain.command(BOOT, **changes)))
    assert found == outcome
    assert word in why


def test_a_signature_must_be_of_this_body_by_a_key_the_pinned_root_vouches_for(inspection, brain):
    signed = brain.sign(brain.command(BOOT))
    other = brain.sign(brain.command(BOOT, targets=[{"item": 2, "task_id": "stolen"}]))
    assert "wrong" in refusal(inspection, signed | {"sig": other["sig"]})[1]
    assert "readable" in refusal(inspection, signed | {"sig": "%%%"})[1]
    assert "vouches" in refusal(inspection, signed | {"kid": "a2"})[1]
    stranger = type(brain.root)()
    body = base64.b64decode(signed["body"])
    assert "wrong" in refusal(inspection, stranger.sign(wire.COMMAND_DOMAIN, body, "a1"))[1]
    assert "wrong" in refusal(inspection, brain.action.sign(wire.KEYS_DOMAIN, body, "a1"))[1]


def test_keys_of_another_root_are_not_believed(inspection, brain, caplog):
    brain.root = type(brain.root)()
    assert "vouches" in refusal(inspection, brain.sign(brain.command(BOOT)))[1]
    assert "not signed by the root" in caplog.text


def test_a_new_action_key_is_learnt_without_a_new_dsn(inspection, brain):
    inspection.prepare()
    inspection.inspect(brain.sign(brain.command(BOOT)))
    brain.action, brain.kid = type(brain.root)(), "a2"
    assert inspection.inspect(brain.sign(brain.command(BOOT)))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"{" * 100_000, b'{"v":1}', b"\xff", b"x" * 600_000],
)
def test_what_is_not_a_command_is_not_even_answered(inspection, brain, body):
    with pytest.raises(Unreadable):
        inspection.inspect(brain.action.sign(wire.COMMAND_DOMAIN, body, "a1"))
    for signed in (None, "x", {"body": body}, {"body": 1, "kid": 2, "sig": 3}):
        with pytest.raises(Unreadable):
            inspection.inspect(signed)


@pytest.mark.parametrize(
    "changes",
    [{"v": 2}, {"fence": "1"}, {"fence": True}, {"targets": [{}]}, {"targets": [{"item": 1, "task_id": ""}]},
     {"targets": [{"item": 1, "task_id": "", "queue": "q"}]}, {"targets": [{"item": 1, "task_id": "t", "queue": 7}]},
     {"verb": "pause", "targets": [{"item": 1, "task_id": ""}]},
     {"verb": "pause", "targets": [{"item": 1, "task_id": "", "queue": "q" * 513}]},
     {"targets": [{"item": i, "task_id": "t"} for i in range(501)]}, {"id": "x" * 256}, {"id": "x\nforged line"},
     {"params": []}, {"held_by": BOOT}, {"held_by": [1]}],
)  # fmt: skip
def test_a_command_of_another_shape_is_not_read(inspection, brain, changes):
    with pytest.raises(Unreadable):
        inspection.inspect(brain.sign(brain.command(BOOT, **changes)))


@pytest.mark.parametrize(
    ("verb", "target"),
    [
        ("pause", {"queue": "q"}),
        ("resume", {"worker": "w@h"}),
        ("hello", {}),
        ("ping", {}),
        ("move", {"task_id": "t"}),
        ("run", {"name": "shop.ok"}),
        ("run_each", {"name": "shop.ok"}),
        ("schedule_enable", {"name": "nightly"}),
    ],
)
def test_a_target_is_a_task_or_a_queue_or_a_worker_and_a_hello_needs_none(inspection, brain, verb, target):
    command = brain.command(BOOT, verb=verb, targets=[{"item": 1, "task_id": ""} | target])
    inspection = Inspection(inspection._dsn, BOOT, inspection._trust, AllowList(["run"]), inspection._proofs)
    assert inspection.inspect(brain.sign(command)) == command


def test_what_only_moves_tasks_about_is_allowed_and_what_stops_or_destroys_needs_the_owners_word():
    assert {*SUBJECTS, "ping", "reveal"} == ALLOWED | DENIED
    assert all(AllowList().refusal(verb) == "" for verb in ALLOWED)
    assert all("Z4J_ALLOW" in AllowList().refusal(verb) for verb in DENIED)


def test_the_owner_of_the_worker_decides_and_tells_why():
    assert AllowList().describe({"retry", "cancel"})[0] == ["cancel", "retry"]
    assert set(AllowList().describe({"retry"})[1]) == set(DENIED)
    assert "Z4J_DENY" in AllowList(deny=["cancel"]).refusal("cancel")
    assert "Z4J_DENY" in AllowList(allow=["purge"], deny=["purge"]).refusal("purge")
    assert AllowList(allow=["purge"]).refusal("purge") == ""
    readonly = AllowList(allow=["purge"], read_only=True)
    assert all("Z4J_READ_ONLY" in readonly.refusal(verb) for verb in ("retry", "cancel", "purge"))
    assert readonly.refusal("ping") == ""


@pytest.mark.parametrize(("rate", "done"), [(0, 99), (60, 60)])
def test_as_many_commands_as_come_unless_the_owner_sets_a_rate(tmp_path, brain, rate, done):
    toy = Toy()
    executor = Executor(Journal(tmp_path / "journal.db"), {"toy": toy}, AllowList(rate=rate))
    for _ in range(99):
        executor.carry_out(brain.command(BOOT))
    assert len(toy.done) == done
    answers = Journal(tmp_path / "journal.db").unsent()
    refused = [answer["results"][0] for answer in answers if answer["results"][0]["outcome"] == "refused"]
    assert len(refused) == 99 - done
    assert all("Z4J_RATE" in each["detail"] for each in refused)


def test_a_command_from_the_poll_is_carried_out_and_answered(worker, brain, wait_for):
    agent = worker()
    command = brain.command(agent._boot.id, targets=[{"item": 4, "task_id": "a"}, {"item": 5, "task_id": "b"}])
    brain.commands.append(brain.sign(command))
    wait_for(lambda: brain.results)
    answer = brain.results[0]
    assert (answer["command"], answer["fence"], answer["boot"]) == (command["id"], 1, agent._boot.id)
    assert [(each["item"], each["outcome"]) for each in answer["results"]] == [(4, "done"), (5, "done")]
    assert len({each["new_task_id"] for each in answer["results"]}) == 2


def test_a_refusal_is_an_answer(worker, brain, wait_for):
    agent = worker(READ_ONLY="1")
    brain.commands.append(brain.sign(brain.command(agent._boot.id)))
    brain.commands.append({"body": "junk", "kid": "a1", "sig": "x"})
    brain.commands.append(brain.sign(brain.command(agent._boot.id, verb="ping", engine="")))
    wait_for(lambda: len(brain.results) == 2)
    assert [each["results"][0]["outcome"] for each in brain.results] == ["refused", "done"]
    assert "Z4J_READ_ONLY" in brain.results[0]["results"][0]["detail"]
    assert agent.engines["toy"].done == []


def test_an_answer_that_does_not_arrive_keeps_nothing_else_from_being_carried_out(worker, brain, wait_for):
    """The brain restarts under a batch. What has left the brain is done; all is answered once the brain is back."""
    agent = worker()
    brain.deaf = 4
    tasks = [brain.command(agent._boot.id, targets=[{"item": i, "task_id": f"t{i}"}]) for i in range(3)]
    refused = brain.command(agent._boot.id, verb="purge", targets=[{"item": 9, "task_id": "", "queue": "q"}])
    brain.commands[:] = [brain.sign(command) for command in (refused, *tasks)]
    wait_for(lambda: len(brain.results) == 4)
    assert brain.deaf == 0
    assert agent.engines["toy"].done == ["t0", "t1", "t2"]
    outcomes = {answer["command"]: answer["results"][0]["outcome"] for answer in brain.results}
    assert outcomes == {refused["id"]: "refused"} | {command["id"]: "done" for command in tasks}


def test_a_command_that_was_lost_on_its_way_is_carried_out_by_whoever_of_the_host_is_given_it_next(
    make_agent, brain, wait_for
):
    """As when the answer to a poll is lost. Nobody can ask the toy's broker: the journal alone knows."""
    agents = []
    for name in ("w1@h", "w2@h"):
        agents.append(make_agent())
        agents[-1].add(Toy())
        agents[-1].role("worker", name)
    first, second = agents
    wait_for(lambda: {first._boot.id, second._boot.id} <= brain.boots())
    wait_for(lambda: first._boot._poller._entered and second._boot._poller._entered)
    stranger = "0f7c0b1e-0000-4000-8000-00000000000f"
    cases = [(2, [first._boot.id]), (2, [stranger]), (3, [first._boot.id]), (3, [stranger, first._boot.id]), (2, [])]
    again = [brain.command("", fence=fence, held_by=held_by) for fence, held_by in cases]
    again.append(brain.command("", fence=2))  # of a brain that does not say
    here = {"audience": second._boot.id}
    brain.send(second._boot.id, *(command | here for command in again))
    # An answer may come twice: its own poller sends what it finds in the journal, too.
    wait_for(lambda: {answer["command"] for answer in brain.results} == {command["id"] for command in again})
    outcomes = {answer["command"]: answer["results"][0]["outcome"] for answer in brain.results}
    assert [outcomes[command["id"]] for command in again] == ["done"] + ["unknown"] * 5
    assert second.engines["toy"].done == ["t1"]


class Runner(Toy):
    """Also runs tasks by their names, and writes down with what."""

    def run(self, target, params):
        self.done.append((target.name, params))
        return Answer(wire.Outcome.DONE, "", target.new_task_id())


def test_one_command_runs_many_tasks_each_with_parameters_of_its_own(tmp_path, brain):
    runner = Runner()
    executor = Executor(Journal(tmp_path / "journal.db"), {"toy": runner}, AllowList(["run"]))
    targets = [{"item": item, "task_id": "", "name": f"shop.t{item}"} for item in (7, 8, 9)]
    given = {"7": {"args": [1]}, "8": {"args": [2], "queue": "mail"}}

    executor.carry_out(brain.command(BOOT, verb="run_each", params={"each": given}, targets=targets))

    assert runner.done == [("shop.t7", given["7"]), ("shop.t8", given["8"])]
    [answer] = Journal(tmp_path / "journal.db").unsent()
    assert [(one["item"], one["outcome"]) for one in answer["results"]] == [(7, "done"), (8, "done"), (9, "refused")]
    assert "does not say" in answer["results"][2]["detail"]


@pytest.mark.parametrize("each", [None, [], {"1": []}, {"1": None}, {1: {}}])
def test_what_is_no_parameters_for_a_target_runs_nothing(tmp_path, brain, each):
    runner = Runner()
    executor = Executor(Journal(tmp_path / "journal.db"), {"toy": runner}, AllowList(["run"]))
    executor.carry_out(
        brain.command(
            BOOT, verb="run_each", params={"each": each}, targets=[{"item": 1, "task_id": "", "name": "shop.t"}]
        )
    )
    assert runner.done == []
    assert Journal(tmp_path / "journal.db").unsent()[0]["results"][0]["outcome"] == "refused"


def test_many_are_run_where_one_is_allowed_and_offered_where_one_can_be():
    assert "Z4J_ALLOW" in AllowList().refusal("run_each")
    assert AllowList(["run"]).refusal("run_each") == ""
    assert "Z4J_ALLOW" in AllowList(["run_each"]).refusal("run")
    facts = {"capabilities": Runner().capabilities()}
    each.offer(facts)
    assert facts["capabilities"]["run_each"] == facts["capabilities"]["run"]
    facts = {"capabilities": Toy().capabilities()}
    each.offer(facts)
    assert "run_each" not in facts["capabilities"]


def test_an_unknown_engine_or_verb_is_unsupported(worker, brain, wait_for):
    agent = worker(ALLOW="restart")
    for changes in ({"engine": "rq"}, {"verb": "cancel"}, {"verb": "restart"}):
        brain.commands.append(brain.sign(brain.command(agent._boot.id, **changes)))
    wait_for(lambda: len(brain.results) == 3)
    assert {each["results"][0]["outcome"] for each in brain.results} == {"unsupported"}


def test_a_command_delivered_again_is_answered_again_and_not_carried_out_again(worker, brain, wait_for):
    agent = worker()
    command = brain.command(agent._boot.id)
    brain.commands.append(brain.sign(command))
    wait_for(lambda: len(brain.results) == 1)
    brain.commands.append(brain.sign(command | {"fence": 2}))
    wait_for(lambda: len(brain.results) == 2)
    assert brain.results[1]["fence"] == 2
    assert brain.results[1]["results"] == brain.results[0]["results"]
    assert agent.engines["toy"].done == ["t1"]


def test_what_an_agent_before_us_did_not_get_to_answer_is_answered(worker, brain, wait_for, tmp_path):
    journal = Journal((tmp_path / "spool" / "k1") / "journal.db")
    journal.file.path.parent.mkdir(parents=True, mode=0o700)
    command = brain.command(BOOT)
    Executor(journal, {"toy": Toy()}, AllowList()).carry_out(command)
    worker()
    wait_for(lambda: brain.results)
    assert (brain.results[0]["boot"], brain.results[0]["command"]) == (BOOT, command["id"])
    wait_for(lambda: journal.unsent() == [])


def test_an_entry_is_kept_until_its_command_has_been_expired_for_a_day(tmp_path, brain):
    journal = Journal(tmp_path / "journal.db")
    executor = Executor(journal, {"toy": Toy()}, AllowList())
    now = time.time_ns() // 1000
    for hours in (25, 23):
        executor.carry_out(brain.command(BOOT, id=f"{hours}", expires=now - hours * 3_600_000_000))
    journal.prune(BOOT)
    assert [answer["command"] for answer in journal.unsent()] == ["23"]


def test_a_proxy_that_cuts_each_poll_teaches_us_to_wait_less_and_is_tried_again_later():
    patience = Patience()
    assert [patience.cut(after) for after in (0.1, 0.1, 35.2, 10.1, 3.0, 3.2)] == [False] * 5 + [True]
    assert patience.seconds == 2
    for _ in range(TRUST):
        patience.kept()
    assert patience.seconds == MOST
    assert patience.cut(3.1)
