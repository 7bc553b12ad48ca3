"""Loaded by every `celery` command before the app, through the entry point `celery.commands`.

Only a worker or beat connects anything: `celery inspect`, `celery shell` and the like stay as they are.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import click
from celery import signals
from z4j_core.engine import AGENT_GROUP

import z4j_celery


def on_start(sender: Any = None, **_: Any) -> None:
    """A worker or beat is starting in this process; the app is loaded, nothing has been forked yet."""
    z4j_celery.install()


signals.celeryd_init.connect(on_start, weak=False, dispatch_uid="z4j.celeryd_init")
signals.beat_init.connect(on_start, weak=False, dispatch_uid="z4j.beat_init")


@click.command()
def z4j() -> None:
    """Tell what z4j would report from this environment."""
    engine = z4j_celery.CeleryEngine()
    click.echo(f"celery {engine.version()}: {', '.join(engine.capabilities())}")
    agents = [f"{agent.dist.name} {agent.dist.version}" for agent in entry_points(group=AGENT_GROUP) if agent.dist]
    click.echo(f"agent: {', '.join(agents) or 'none installed'}")
