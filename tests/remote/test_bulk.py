"""`z4j bulk`, `z4j tasks retry` and `cancel`: previewed, agreed to, done, followed, and how it went as an exit code."""

from __future__ import annotations

import uuid

import pytest

from tests.remote.between import AWAY, LATER, LOST, between
from tests.remote.conftest import Agent, Shell, unpainted


def test_a_preview_says_what_would_happen_and_changes_nothing(shell, agent):
    [done, *_] = agent.fails("p1", "p2", "p3")
    agent.works()
    assert shell("tasks", "retry", done, "--yes").code == 0
    words = ["retry", "--queue", agent.mark, "--state", "failed"]

    told = shell("bulk", "preview", *words)
    dry = shell("bulk", "run", *words, "--dry-run", "--table")

    found = told.document
    assert (told.code, found["matching"], found["able"], found["excluded_count"]) == (0, 3, 2, 1)
    assert dry.out.splitlines()[0] == "task.retry: 3 match, 2 can be asked, 1 left out."
    for line in ("1 already retried", "shop.pay 2", "about 1 s", "its own way to retry", "SAMPLE"):
        assert line in dry.out
    assert [one["total"] for one in agent.operations()[:1]] == [1]


def test_a_run_in_a_pipe_needs_a_yes_and_ends_with_the_operation(shell, agent):
    agent.fails("r1", "r2")
    agent.works()
    words = ["bulk", "run", "task.retry", "--queue", agent.mark, "--rate", "100", "--reason", "the bank is back"]

    without, with_it = shell(*words), shell(*words, "--yes")

    assert without.code == 2 and "--yes" in without.problem["detail"]
    ended = with_it.document
    assert (with_it.code, with_it.aside) == (0, "")
    assert (ended["state"], ended["succeeded"], ended["reason"]) == ("succeeded", 2, "the bank is back")
    assert ended["options"]["rate"] == 100 and ended["plan"]["able"] == 2


def test_some_of_both_is_3_and_what_failed_can_be_tried_again(shell, agent):
    good, bad = f"good-{agent.mark}", f"bad-{agent.mark}"
    agent.fails(good, bad)
    agent.works()

    said = shell("tasks", "retry", good, bad, "--yes", "--table")
    again = unpainted(said.out).split("Try what failed again: z4j ")[1].split()
    found = shell(*again, "--dry-run").document
    alone = shell("tasks", "retry", bad, "--yes")

    assert said.code == 3 and "the broker said no" in said.out
    assert found["matching"] == 1
    assert (alone.code, alone.document["state"]) == (1, "failed")


def test_on_a_terminal_it_asks_and_shows_how_far_it_is(shell, agent):
    agent.fails("t1", "t2")
    agent.works()
    words = ["bulk", "run", "retry", "--queue", agent.mark]
    before = len(agent.operations())

    no = shell.terminal(*words).until("? [y/N]").type("n").end()
    assert no.code == 1 and "Nothing was asked for." in no.out and len(agent.operations()) == before

    yes = shell.terminal(*words).until("? [y/N]").type("y").end()
    told = unpainted(yes.out)
    assert yes.code == 0 and "task.retry on 2 of them?" in told
    assert "2 of 2  succeeded  2 done, 0 failed" in told and "\x1b[32msucceeded\x1b[0m" in yes.out


def test_what_cannot_come_back_wants_its_number_typed(shell, agent):
    agent.measured(7)
    agent.works()
    owner = Shell(shell.url, agent.brain.tokens["olive"])
    words = ["bulk", "run", "queue.purge", "--name", agent.mark]

    unsaid, wrong = owner(*words, "--yes"), owner(*words, "--confirm", 6)
    mistyped = owner.terminal(*words).until("(7):").type("y").end()
    typed = owner.terminal(*words).until("(7):").type("7").end()
    agent.measured(7)
    said = owner(*words, "--confirm", 7)

    assert unsaid.code == 2 and "--confirm 7" in unsaid.problem["detail"]
    assert wrong.code == 2 and wrong.problem["errors"][0]["pointer"] == "#/confirm"
    assert mistyped.code == 1 and "Nothing was asked for." in mistyped.out
    assert (typed.code, said.code) == (0, 0), typed.out


def test_an_environment_that_wants_a_reason_gets_one(brain, shell):
    owner = Shell(brain.url, brain.tokens["stan"], {"Z4J_PROJECT": "island"})
    settings = "/api/v1/island/production/settings/"
    assert brain.request("PATCH", settings, {"reason_required": True}, who="stan")[0] == 200
    island = Agent(brain, "island/production", who="stan")
    island.fails("why")

    unsaid = owner("tasks", "retry", "why", "--yes", "--no-watch")
    typed = owner.terminal("tasks", "retry", "why", "--yes", "--no-watch").until("Reason:").type("it rained").end()

    assert unsaid.code == 2 and "--reason" in unsaid.problem["detail"]
    assert typed.code == 0 and "it rained" in typed.out
    island.close()


@pytest.mark.parametrize(
    ("who", "words", "code", "says"),
    [
        ("vera", ["tasks", "retry", "refused-1", "--yes"], 1, "Your role does not let you"),
        ("oscar", ["bulk", "run", "retry", "--name", "no.such.name", "--yes"], 1, "nothing to do"),
        ("oscar", ["bulk", "run", "requeue", "--name", "shop.refused", "--yes"], 1, "left out"),
        ("stan", ["tasks", "list"], 2, "no such thing"),
    ],
)
def test_a_refusal_says_why(brain, agent, who, words, code, says):
    agent.fails("refused-1", name="shop.refused")

    said = Shell(brain.url, brain.tokens[who])(*words)

    assert (said.code, said.out) == (code, "") and says in said.problem["detail"]


def test_a_lost_answer_makes_no_second_operation(brain, shell, agent):
    [pk] = agent.fails("lost-1")
    agent.works()

    with between(brain, LATER, LOST, AWAY) as way:
        said = shell("tasks", "retry", pk, "--yes", Z4J_URL=way.url)

    assert said.code == 0 and said.document["succeeded"] == 1
    assert len(way.keys) == 4 and len(set(way.keys)) == 1
    asked = shell("bulk", "preview", "retry", pk).document["excluded"]
    assert [one["code"] for one in asked] == ["already_retried"]


def test_an_undo_whose_answer_is_lost_is_not_asked_for_twice(brain, shell, agent):
    pk = _waiting(shell, agent)

    with between(brain, LOST) as way:
        said = shell("bulk", "undo", pk, "--yes", Z4J_URL=way.url)

    assert said.code == 1 and "not known" in said.problem["detail"]
    assert len(way.keys) == 1


def test_ctrl_c_leaves_the_operation_and_says_how_to_stop_it(shell, agent):
    pk = _waiting(shell, agent)

    left = shell.terminal("bulk", "watch", pk).until("0 of 2").interrupt().end()

    assert left.code == 130
    assert f"z4j bulk pause {pk}" in left.out and f"z4j bulk cancel {pk}" in left.out
    assert agent.ask("GET", f"operations/{pk}/", status=200)["state"] == "pending"


def test_an_operation_is_paused_resumed_and_cancelled(shell, agent):
    pk = _waiting(shell, agent)

    states = [shell("bulk", verb, pk).document["state"] for verb in ("pause", "resume", "cancel")]
    ended, too_late = shell("bulk", "watch", pk), shell("bulk", "pause", pk)
    unknown = shell("bulk", "watch", uuid.uuid4())

    assert states == ["paused", "pending", "cancelled"]
    assert (ended.code, ended.document["outcomes"]) == (1, {"cancelled": 2})
    assert (too_late.code, too_late.problem["status"]) == (1, 409)
    assert (unknown.code, unknown.problem["status"]) == (2, 404)


def test_one_that_stops_by_itself_is_no_longer_followed(shell, agent):
    agent.fails(*(f"bad-{agent.mark}-{number}" for number in range(4)))
    agent.works()

    said = shell("bulk", "run", "retry", "--queue", agent.mark, "--stop-after", 1, "--yes", "--table")

    assert said.code == 1 and "Stopped by itself" in said.out and "z4j bulk resume" in said.out


def test_an_undo_cancels_what_was_enqueued(shell, agent):
    agent.fails("u1")
    agent.works()
    first = shell("tasks", "retry", "u1", "--yes").document

    unasked, said = shell("bulk", "undo", first["id"]), shell("bulk", "undo", first["id"], "--yes", "--no-watch")

    assert unasked.code == 2
    back = said.document
    assert (said.code, back["action"], back["parent"], back["relation"]) == (0, "task.cancel", first["id"], "undo")


def _waiting(shell: Shell, agent: Agent) -> str:
    """An operation that nobody has begun."""
    agent.fails(f"{agent.mark}-1", f"{agent.mark}-2")
    said = shell("bulk", "run", "retry", "--queue", agent.mark, "--delay", 3600, "--yes", "--no-watch")
    assert said.code == 0, said.aside
    return str(said.document["id"])
