"""Connects the task engines of a Flask application to z4j.

    from z4j_flask import Z4J
    Z4J(app)                    # or z4j = Z4J() and later z4j.init_app(app), as with any extension

`app.config["Z4J"]` is a dictionary such as {"DSN": "https://..."}; what it does not name is read from Z4J_* in the
environment. Nothing starts here: the agent starts with the first task that a process sends, also in a server that forks
after the application was loaded. `flask z4j-doctor` tries every hop.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

import click
import z4j_bare
from flask import Flask, request_started
from z4j_bare import cli
from z4j_core import safety

__all__ = ["Z4J"]

logger = logging.getLogger(__name__)


class Z4J:
    """The extension."""

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Hand the application's settings to the agent and attach the engines it uses: now, and those that come into
        use later, when a request finds them. Never raises.
        """
        app.extensions["z4j"] = self
        app.cli.add_command(_doctor)
        with safety.guard("flask.init_app"):
            z4j_bare.configure(**_given(app))
        request_started.connect(_look_again, app, weak=False)


def _given(app: Flask) -> dict[str, Any]:
    found = app.config.get("Z4J") or {}
    if isinstance(found, Mapping):
        return {str(name): value for name, value in found.items()}
    logger.error('The z4j agent ignores app.config["Z4J"]: it is not a dictionary such as {"DSN": "https://..."}.')
    return {}


def _look_again(app: Flask, **_: Any) -> None:
    z4j_bare.look_again()


@click.command("z4j-doctor", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def _doctor(arguments: tuple[str, ...]) -> None:
    """Try every hop from the settings to a task that the brain sees."""
    sys.exit(cli.main(["doctor", *arguments]))
