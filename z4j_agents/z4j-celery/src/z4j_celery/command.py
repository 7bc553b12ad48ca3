"""Loaded by every `celery` command before the app, through the entry point `celery.commands`.

Only a worker or beat connects anything: `celery inspect`, `celery shell` and the like stay as they are.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import click
from celery import signals
from z4j_core.adapter import AGENT_GROUP, attach
from z4j_core.verbs import READS, VERBS

import z4j_celery
from z4j_celery.engine import CeleryEngine


def on_worker(**_: Any) -> None:
    """A worker is starting in this process; the app is loaded, nothing has been forked yet."""
    z4j_celery.install()


def on_beat(sender: Any = None, **_: Any) -> None:
    CeleryEngine.of_beat = sender.app
    engine = CeleryEngine()
    if attach(engine) and engine.host is not None:
        # Connected while this very signal is being sent, so it would not hear of it.
        engine.on_beat(sender)


signals.celeryd_init.connect(on_worker, weak=False, dispatch_uid="z4j.celeryd_init")
signals.beat_init.connect(on_beat, weak=False, dispatch_uid="z4j.beat_init")


@click.command()
def z4j() -> None:
    """Tell what z4j would report from this environment."""
    engine = CeleryEngine()
    offered = [name for name in (*VERBS, *READS) if engine.defines(name)]
    click.echo(f"celery {engine.version()}: {', '.join(offered)}")
    agents = [f"{agent.dist.name} {agent.dist.version}" for agent in entry_points(group=AGENT_GROUP) if agent.dist]
    click.echo(f"agent: {', '.join(agents) or 'none installed'}")
