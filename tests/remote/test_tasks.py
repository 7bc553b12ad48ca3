"""`z4j tasks list` and `show`: JSON in a pipe, a table on a terminal, and a sentence for what cannot be meant."""

from __future__ import annotations

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests import wire as sent
from tests.remote.conftest import unpainted
from tests.store import ROOT
from z4j_brain.remote.terminal import plain


def test_a_list_in_a_pipe_is_json_and_says_whether_there_is_more(shell, agent):
    agent.fails("a", "b", "c", name="shop.list")

    some = shell("tasks", "list", "--queue", agent.mark, "--state", "failed", "--state", "lost", "--limit", 2)
    every = shell("tasks", "list", "--filter", f"queue={agent.mark}", "--name", "shop.list", "--since", "1h")

    assert (some.code, some.aside) == (0, "")
    assert [row["task_id"] for row in some.document["results"]] == ["c", "b"] and some.document["more"]
    assert [row["task_id"] for row in every.document["results"]] == ["c", "b", "a"] and not every.document["more"]


def test_a_list_on_a_terminal_is_a_table_in_colour_unless_somebody_wants_none(shell, agent):
    agent.fails("t", name="shop.\u202epay\u009b2J")
    words = ["tasks", "list", "--queue", agent.mark]

    painted, dull = shell.terminal(*words).end(), shell.terminal(*words, NO_COLOR="1").end()
    piped, forced = shell(*words, "--table"), shell.terminal(*words, "--json").end()

    assert painted.code == 0 and "\x1b[31mfailed\x1b[0m" in painted.out
    assert "ID" in unpainted(painted.out) and not {"\u202e", "\u009b"} & set(painted.out), "no name is obeyed"
    assert "\x1b[3" not in dull.out and "failed" in dull.out
    assert piped.out.startswith("ID ") and "\x1b" not in piped.out
    assert '"more": false' in forced.out


def test_no_text_of_others_steers_the_terminal():
    assert plain("a\x1b[2J\x07\u202eb\r\nc") == "a\ufffd[2J\ufffd\ufffdb\ufffd c"


def test_one_task_is_shown_by_its_engines_id_with_what_can_be_done(shell, agent):
    [pk] = agent.fails("71aa-once")

    by_engine, by_ours = shell("tasks", "show", "71aa-once"), shell("tasks", "show", pk)
    table = shell("tasks", "show", "71aa-once", "--table")

    assert by_engine.document["id"] == by_ours.document["id"] == pk
    assert by_engine.document["actions"]["retry"]["possible"]
    assert "Refused: by the bank" in table.out and "can retry" in table.out


def test_an_id_that_two_engines_use_is_no_name(shell, agent):
    agent.fails("twin")
    agent.say({"kind": "task.failed", "ts": sent.now(), "engine": "rq", "task_id": "twin", "attempt": 0})

    said = shell("tasks", "show", "twin")

    assert said.code == 2 and "Several tasks have this id" in said.problem["detail"]


@pytest.mark.parametrize(
    ("words", "pointer", "says"),
    [
        (["tasks", "list", "--filter", "colour=red"], "colour", "Unknown filter."),
        (["tasks", "list", "--since", "2h"], "since", ""),
        (["tasks", "show", "no-such-task"], "no-such-task", "no such task"),
        (["bulk", "preview", "task.fry", "--all"], "#/action", "task.retry"),
        (["bulk", "preview", "retry", "--filter", "colour=red"], "#/filter/colour", "Unknown filter."),
        (["bulk", "run", "retry", "--state", "failed", "--rate", "0", "--yes"], "#/options/rate", ""),
        (["tasks", "list", "--state", "failed", "--filter", "state=lost"], "state", "Given twice"),
    ],
)
def test_what_is_wrong_is_a_problem_that_points_at_it(shell, words, pointer, says):
    said = shell(*words)

    [fault] = said.problem["errors"]
    assert (said.code, said.out, fault["pointer"]) == (2, "", pointer) and says in fault["detail"]


def test_a_problem_on_a_terminal_is_read_by_people(shell):
    said = shell("tasks", "list", "--filter", "colour=red", "--table")

    assert (said.code, said.out) == (2, "")
    assert said.aside.splitlines()[1] == "  colour: Unknown filter."


@pytest.mark.parametrize(
    ("words", "more", "says"),
    [
        (["tasks", "list"], {"Z4J_URL": ""}, "Z4J_URL"),
        (["tasks", "list"], {"Z4J_TOKEN": ""}, "Z4J_TOKEN"),
        (["tasks", "list"], {"Z4J_PROJECT": ""}, "Z4J_PROJECT"),
        (["tasks", "list"], {"Z4J_URL": "http://z4j.example.com"}, "https://"),
        (["tasks", "list"], {"Z4J_URL": "https://u:secret@z4j.example.com"}, "password"),
        (["tasks", "list", "--token-file", "/nowhere"], {}, "/nowhere"),
        (["bulk", "run", "retry"], {}, "Say which targets"),
        (["bulk", "run", "retry", "12", "--all"], {}, "one of the three"),
        (["bulk", "watch", "../../users"], {}, "no operation's id"),
        (["tasks", "list", "--token", "z4ju_x"], {}, "unrecognized arguments"),
        (["tasks", "fry"], {}, "z4j tasks retry"),
        (["bulk"], {}, "z4j bulk preview"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_sentence(shell, words, more, says):
    said = shell(*words, **more)

    assert (said.code, said.out) == (2, "") and says in said.aside


def test_a_stranger_and_a_brain_that_is_away_are_failures(shell, brain, tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{brain.tokens['vera']}\n")

    allowed = shell("tasks", "list", "--token-file", file, "--environment", "harbor/staging", Z4J_TOKEN="z4ju_x_y")
    unknown = shell("tasks", "list", Z4J_TOKEN="z4ju_x_y")
    away = shell("tasks", "list", "--table", Z4J_URL="http://127.0.0.1:1")

    assert allowed.code == 0
    assert (unknown.code, unknown.problem["status"]) == (1, 401)
    assert away.code == 1 and "does not answer" in away.aside


def test_a_token_does_not_follow_a_redirect(shell):
    seen = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        said = shell("tasks", "list", Z4J_URL=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()

    assert said.code == 1 and "/elsewhere" in said.problem["detail"]
    assert len(seen) == 1


def test_it_needs_nothing_but_python():
    """Given no installed package at all, it can be imported, and `z4j` loads no Django for it."""
    alone = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import z4j_brain.cli, z4j_brain.remote.command; "
    alone += "print([name for name in sys.modules if name.startswith('django')])"

    done = subprocess.run([sys.executable, "-I", "-S", "-c", alone], capture_output=True, text=True)

    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_help_is_no_failure(shell):
    for words in (["tasks", "--help"], ["bulk", "-h"], ["bulk", "run", "--help"]):
        said = shell(*words)
        assert (said.code, said.aside) == (0, "") and "z4j" in said.out


def test_a_reader_that_has_seen_enough_is_no_crash(shell, agent):
    agent.fails("seen")
    command = json.dumps([sys.executable, "-m", "z4j_brain.cli", "tasks", "list"])[1:-1].replace(",", "")

    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} | true"], cwd=ROOT, env=shell.environment, capture_output=True, text=True
    )

    assert "Traceback" not in done.stderr
