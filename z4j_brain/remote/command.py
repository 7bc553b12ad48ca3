"""From the words of a command to its exit code."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence

from z4j_brain.remote import arguments, bulk, place, reveal, schedules, tasks
from z4j_brain.remote.client import Client
from z4j_brain.remote.terminal import Terminal, writable
from z4j_brain.remote.trouble import DONE, FAILED, INTERRUPTED, WRONG, Trouble

_RUNS: Mapping[tuple[str, str], Callable[[Client, Terminal, Namespace], int]] = {
    ("tasks", "list"): tasks.show_list,
    ("tasks", "show"): tasks.show_one,
    ("tasks", "retry"): bulk.run,
    ("tasks", "cancel"): bulk.run,
    ("schedules", "list"): schedules.show_list,
    ("schedules", "show"): schedules.show_one,
    ("schedules", "runs"): schedules.show_runs,
    ("schedules", "enable"): schedules.steer,
    ("schedules", "disable"): schedules.steer,
    ("schedules", "run"): schedules.steer,
    ("schedules", "delete"): schedules.steer,
    ("schedules", "create"): schedules.create,
    ("schedules", "copy"): schedules.copy,
    ("schedules", "edit"): schedules.edit,
    ("schedules", "import"): schedules.take_in,
    ("schedules", "export"): schedules.export,
    ("bulk", "preview"): bulk.preview,
    ("bulk", "run"): bulk.run,
    ("bulk", "watch"): bulk.watch,
    ("bulk", "pause"): bulk.steer,
    ("bulk", "resume"): bulk.steer,
    ("bulk", "cancel"): bulk.steer,
    ("bulk", "undo"): bulk.undo,
    ("reveal", ""): reveal.show,
}


def main(words: Sequence[str] | None = None) -> None:
    """Ends the process with the command's exit code."""
    writable(sys.stdout)
    writable(sys.stderr)
    try:
        code = run(sys.argv[1:] if words is None else words)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    sys.exit(code)


def run(words: Sequence[str]) -> int:
    command = arguments.find(words)
    if command is None:
        return _help(words)
    asked = command.parser().parse_intermixed_args(list(words[len(command.words) :]))
    asked.verb = command.verb
    if command.group == "tasks":
        asked.action, asked.option = f"task.{command.verb}", getattr(asked, "option", [])
    asked.environment = getattr(asked, "where", asked.environment)
    terminal = Terminal(asked.form)
    try:
        where = place.find(asked.url, asked.token_file, asked.environment, os.environ)
        return _RUNS[command.group, command.verb](Client(where, asked.timeout, terminal.progress), terminal, asked)
    except Trouble as trouble:
        terminal.trouble(trouble.document)
        return trouble.code
    except KeyboardInterrupt:
        terminal.say("Interrupted.")
        return INTERRUPTED


def _help(words: Sequence[str]) -> int:
    group = words[0] if words and words[0] in arguments.GROUPS else ""
    is_wanted = list(words[1 if group else 0 :]) in (["-h"], ["--help"])
    (sys.stdout if is_wanted else sys.stderr).write(arguments.usage(group) + "\n")
    return DONE if is_wanted else WRONG
