"""An application made by a factory, whose views import their tasks only when they are called."""

from __future__ import annotations

import importlib
import os

from flask import Flask
from z4j_flask import Z4J

z4j = Z4J()


def create_app():
    app = Flask("late")
    z4j.init_app(app)

    @app.get("/buy/<name>")
    def buy(name):
        return {"task": importlib.import_module("late_tasks").mail.delay(name).id, "pid": os.getpid()}

    return app
