"""Loaded by every `celery` command before the app, through the entry point `celery.commands`.

Only a beat connects anything: other commands stay as they are.
"""

from __future__ import annotations

import click
from z4j_core.scheduler import Scheduler
from z4j_core.verbs import SCHEDULER_READS, SCHEDULER_VERBS, WORDS

from z4j_celerybeat.beat import Beat
from z4j_celerybeat.starting import install

install()


@click.command(name="z4j-beat")
def z4j_beat() -> None:
    """Tell what z4j would do with a beat that runs in this environment."""
    offered: type[Scheduler] = Beat
    for name in (*SCHEDULER_READS, *SCHEDULER_VERBS):
        click.echo(f"{WORDS[name]}: {'yes' if offered.defines(name) else 'no'}")
