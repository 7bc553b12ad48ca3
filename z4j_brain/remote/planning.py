"""The options of `z4j schedules ...`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

#: A schedule by its id here, by its key, or by both its source and its key.
_WHICH = "a schedule: its id here, its key, or SOURCE/KEY"


def narrowing(pair: Callable[[str], tuple[str, str]]) -> Callable[[argparse.ArgumentParser], None]:
    """What a list is narrowed to. `pair` reads KEY=VALUE."""

    def add_to(parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument_group("which").add_argument
        add("--source", metavar="NAME", help="of this scheduler; z4j: of z4j's own")
        add("--engine", metavar="NAME", help="whose tasks are of this engine")
        add("--task", metavar="NAME", help="which send this task")
        add("--queue", metavar="QUEUE", help="which send into this queue")
        add("--state", metavar="STATE", help="active, disabled, silent, trouble or gone")
        add(
            "--filter",
            action="append",
            default=[],
            type=pair,
            metavar="KEY=VALUE",
            help="any filter of the list in the API, such as search=..., enabled=false",
        )

    return add_to


def one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="SCHEDULE", help=_WHICH)


def some(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="SCHEDULE", help=_WHICH)


def state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", metavar="STATE", help="only these: ok, failed, missed, unknown, skipped and so on")


def until(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--until", metavar="TIME", help="then it is enabled again: 2026-11-28T09:00Z")


def new(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("key", metavar="KEY", help="the name that it goes by")
    add("--source", metavar="NAME", help="made in this scheduler; left out: one of z4j's own")
    add("--disabled", action="store_true", help="it does not fire until it is enabled")


def key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", metavar="KEY", help="another name; of z4j's own")


def target(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--to", metavar="NAME", required=True, help="the scheduler that is to keep it; z4j: one of z4j's own")
    add("--key", metavar="KEY", help="another name there")
    add("--args", metavar="JSON", help="its arguments, where its scheduler tells them redacted: [42]")
    add("--kwargs", metavar="JSON", help='the same by name: {"currency": "eur"}')


def plan(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what and when").add_argument
    add("--task", metavar="NAME", help="the task that is sent")
    add("--engine", metavar="NAME", help="whose task it is; of z4j's own")
    add("--cron", metavar="TEXT", help="five fields, or six with the seconds first")
    add("--every", type=float, metavar="SECONDS", help="in place of a cron")
    add("--at", metavar="TIME", help="once, in place of a cron; without an offset a time of the zone")
    add("--zone", metavar="NAME", help="such as Europe/Berlin (UTC)")
    add("--args", metavar="JSON", help="a list: [42]")
    add("--kwargs", metavar="JSON", help='an object: {"currency": "eur"}')
    add("--queue", metavar="QUEUE", help="left out: where the task goes by itself")
    add("--grace", type=float, metavar="SECONDS", help="how late it may be sent; of z4j's own")
    policies(add)


def policies(add: Callable[..., object]) -> None:
    add("--catch-up", choices=["skip", "once", "all"], help="what becomes of due times that passed; of z4j's own")
    add("--overlap", choices=["allow", "skip"], help="what it does when its last run goes on; of z4j's own")


def crontab(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="the crontab; - reads it from stdin")
    add("--engine", metavar="NAME", help="whose tasks they are, where a line does not say")
    add("--queue", metavar="QUEUE", help="where they go, where a line does not say")
    add("--zone", metavar="NAME", help="where they are, where there is no CRON_TZ before them (UTC)")
    add("--dry-run", action="store_true", help="only say what would come of it")
    add("--yes", action="store_true", help="do not ask")
    policies(add)
