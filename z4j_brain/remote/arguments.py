"""The commands, their options, and what they say of themselves. docs/reference/command-line.md is written from here."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from z4j_brain.remote import planning

#: The first word of a command, and what its commands are about.
GROUPS = {
    "tasks": "List tasks, show one, run some again, stop some.",
    "schedules": "List schedules and their runs, steer them, make, change and delete them.",
    "bulk": "Ask for an action on any number of targets, and steer what was asked for.",
    "reveal": "Show the sealed original of a task, here and nowhere else.",
}
_EXITS = "Exit code: 0 done, 1 failed or refused, 2 not understood, 3 partly done, 130 interrupted."


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words, one or two, what it promises, and who adds which options."""

    group: str
    verb: str
    promise: str
    options: tuple[Callable[[argparse.ArgumentParser], object], ...]

    @property
    def words(self) -> list[str]:
        return [self.group, self.verb] if self.verb else [self.group]

    def parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=" ".join(("z4j", *self.words)), description=self.promise, epilog=_EXITS, allow_abbrev=False
        )
        for add in (*self.options, _everywhere):
            add(parser)
        return parser


def _everywhere(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("which brain, and how it is told").add_argument
    add("--url", metavar="URL", help="address of the brain (Z4J_URL)")
    add("--token-file", metavar="FILE", help="file with the token in it (Z4J_TOKEN_FILE; the token itself: Z4J_TOKEN)")
    add("--environment", metavar="PROJECT/ENV", help="the environment (Z4J_PROJECT and Z4J_ENVIRONMENT)")
    add(
        "--timeout", type=_positive, default=60.0, metavar="SECONDS", help="silence after which a call is given up (60)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="JSON, also on a terminal")
    form.add_argument("--table", dest="form", action="store_const", const="table", help="a table, also in a pipe")
    parser.set_defaults(form="")


def _filters(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("which")
    add = group.add_argument
    add("--state", action="append", default=[], metavar="STATE", help="in this state; several times: in any of them")
    add("--name", action="append", default=[], metavar="NAME", help="of this name")
    add("--queue", action="append", default=[], metavar="QUEUE", help="of this queue")
    add("--since", metavar="SPAN", help="ended since then, or not ended: 15m, 1h, 6h, 24h, 7d")
    add(
        "--filter",
        action="append",
        default=[],
        type=_pair,
        metavar="KEY=VALUE",
        help="any filter of the list in the API, such as engine=..., runtime_ms__gte=500, search=...",
    )
    return group


def _targets(parser: argparse.ArgumentParser) -> None:
    _filters(parser).add_argument(
        "--all", action="store_true", help="everything there is of that kind, in place of a filter"
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="targets one by one; a task also by its engine's id")


def _ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="ID", help="a task, by its id here or by its engine's")


def _action(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", metavar="ACTION", help="such as task.retry (or just retry), queue.purge")


def _operation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("operation", type=_uuid, metavar="OPERATION", help="the id of the operation")


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the task, by its id here or by its engine's")


def _limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=_count, default=50, metavar="N", help="at most so many, newest first (50)")


def _options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how").add_argument
    add("--rate", type=float, metavar="N", help="at most so many targets a second")
    add("--stop-after", type=int, metavar="N", help="pause after so many failures")
    add("--order", choices=["oldest", "newest"], help="which go first (oldest)")
    add("--delay", type=int, metavar="SECONDS", help="wait before the first is sent; until then all can be undone")
    add("--again", action="store_true", help="also what was retried already")
    add("--wait", action="store_true", help="keep what no agent can do now until one comes back")
    add(
        "--option",
        action="append",
        default=[],
        type=_pair,
        metavar="KEY=VALUE",
        help="any other option of the action, JSON or text: queue=slow, args=[1]",
    )


def _reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; it stays with the record")


def _asking(parser: argparse.ArgumentParser) -> None:
    _options(parser)
    _reason(parser)
    add = parser.add_argument
    add("--confirm", type=int, metavar="N", help="the number that has to be typed when what goes cannot come back")
    add("--dry-run", action="store_true", help="only say what would happen, as `bulk preview` does")
    _consent(parser)


def _revealing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("where", metavar="PROJECT/ENVIRONMENT", help="where the task is")
    parser.add_argument("id", metavar="TASK", help="the task, by its id here or by its engine's")
    _reason(parser)
    add = parser.add_argument
    add(
        "--wait", type=_positive, default=900.0, metavar="SECONDS", help="for an approval and the worker's answer (900)"
    )
    add("--force", action="store_true", help="also into a pipe or a file")


def _consent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")
    _unwatched(parser)


def _unwatched(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-watch", action="store_true", help="do not wait for the end")


def _schedules(parser: argparse.ArgumentParser) -> None:
    planning.narrowing(_pair)(parser)


COMMANDS = (
    Command("tasks", "list", "Tasks, newest first.", (_filters, _limit)),
    Command("tasks", "show", "One task, with what can be done about it, and why it waits.", (_one,)),
    Command("tasks", "retry", "Run tasks again, each as a new task with the original arguments.", (_ids, _asking)),
    Command("tasks", "cancel", "Stop tasks, or keep them from starting.", (_ids, _asking)),
    Command("schedules", "list", "Schedules, whoever keeps them, newest first.", (_schedules, _limit)),
    Command("schedules", "show", "One schedule, with its next times and what can be asked of it.", (planning.one,)),
    Command(
        "schedules",
        "runs",
        "What became of its due times, the latest first.",
        (planning.one, planning.state, _limit),
    ),
    Command("schedules", "enable", "Have them fire again, from their next due time on.", (planning.some, _asking)),
    Command(
        "schedules",
        "disable",
        "Have them fire no more, or not until some time.",
        (planning.some, planning.until, _asking),
    ),
    Command("schedules", "run", "Send their tasks once, now, beside their due times.", (planning.some, _asking)),
    Command("schedules", "delete", "Take them out of their schedulers for good.", (planning.some, _asking)),
    Command(
        "schedules",
        "create",
        "Make one of z4j's own, or one in a scheduler.",
        (planning.new, planning.plan, _reason, _unwatched),
    ),
    Command(
        "schedules",
        "copy",
        "Make the same in another scheduler, or one of z4j's own of it.",
        (planning.one, planning.target, _reason, _unwatched),
    ),
    Command(
        "schedules",
        "edit",
        "Change what is named and leave the rest.",
        (planning.one, planning.key, planning.plan, _reason, _unwatched),
    ),
    Command("schedules", "import", "Make a crontab of tasks schedules of z4j's own.", (planning.crontab, _reason)),
    Command("schedules", "export", "Write schedules as a crontab of tasks.", (_schedules,)),
    Command("bulk", "preview", "What an action would do. Nothing changes.", (_action, _targets, _options)),
    Command("bulk", "run", "Preview an action, ask, do it, and follow it to its end.", (_action, _targets, _asking)),
    Command("bulk", "watch", "Follow an operation to its end.", (_operation,)),
    Command("bulk", "pause", "Hand out nothing more of an operation until it is resumed.", (_operation, _reason)),
    Command("bulk", "resume", "Go on with an operation that is paused.", (_operation, _reason)),
    Command("bulk", "cancel", "Take back what no agent has taken yet.", (_operation, _reason)),
    Command(
        "bulk", "undo", "Take back what has not left, and cancel what it enqueued.", (_operation, _reason, _consent)
    ),
    Command(
        "reveal",
        "",
        "Show the sealed original of a task in this terminal alone. It takes a reason, and in production an approval.",
        (_revealing,),
    ),
)


def find(words: Sequence[str]) -> Command | None:
    return next((one for one in COMMANDS if one.words == list(words[: len(one.words)])), None)


def usage(group: str = "") -> str:
    """The commands of a group, or of all."""
    told = [one for one in COMMANDS if group in ("", one.group)]
    width = max(len(" ".join(one.words)) for one in told)
    lines = [f"  z4j {' '.join(one.words):<{width}} {one.promise}" for one in told]
    return "\n".join(
        [
            GROUPS.get(group, "Ask a brain."),
            "",
            *lines,
            "",
            f"More: z4j {told[0].group} {'VERB --help' if told[0].verb else '--help'}",
        ]
    )


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no operation's id") from None


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise argparse.ArgumentTypeError("from 1 to 100,000")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 3600:
        raise argparse.ArgumentTypeError("from 0 to 3600 seconds")
    return number
