"""Connects the task engines of a Flask application to z4j.

    from z4j_flask import Z4J
    Z4J(app)                    # or z4j = Z4J() and later z4j.init_app(app), as with any extension

`app.config["Z4J"]` is a dictionary such as {"DSN": "https://..."}; what it does not name is read from Z4J_* in the
environment. Nothing starts here: the agent starts with the first task that a process sends, also in a server that forks
after the application was loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import z4j_bare
from flask import Flask
from z4j_core import safety

__all__ = ["Z4J"]


class Z4J:
    """The extension."""

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Hand the application's settings to the agent and attach the engines it uses. Never raises."""
        app.extensions["z4j"] = self
        with safety.guard("flask.init_app"):
            z4j_bare.configure(**_given(app))


def _given(app: Flask) -> dict[str, Any]:
    found = app.config.get("Z4J", {})
    return {str(name): value for name, value in found.items()} if isinstance(found, Mapping) else {}
