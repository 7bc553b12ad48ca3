"""What the engines look for in an app: their tasks. Each engine's are in a module of their own."""

from __future__ import annotations

import importlib

from django.conf import settings

_MODULES = {engine: importlib.import_module(f"shop.engines.{engine}") for engine in settings.ENGINES}


def send(engine, name):
    """The id of the task."""
    return str(_MODULES[engine].send(name))
