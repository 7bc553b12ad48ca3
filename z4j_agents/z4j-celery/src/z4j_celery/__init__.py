"""z4j's adapter for Celery.

A worker or beat started by the `celery` command needs no code: installing this package is enough. A process that only
sends tasks says it once, in the module that makes the app:

    import z4j_celery
    z4j_celery.install()

A Django project lists `z4j_django` in INSTALLED_APPS instead. Without Z4J_DSN nothing happens.
"""

from __future__ import annotations

from z4j_core.engine import attach

from z4j_celery.engine import CeleryEngine

__all__ = ["CeleryEngine", "install"]


def install() -> bool:
    """Report the tasks this process sends or runs. False when no brain is configured. Opens no connection by itself."""
    return attach(CeleryEngine())
