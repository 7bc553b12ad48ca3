"""z4j's adapters for Celery's beat, one for each scheduler it can have.

A beat started by the `celery` command needs no code: installing this package is enough. Who starts beat in another way
says so once, in the module that makes the app:

    import z4j_celerybeat
    z4j_celerybeat.install()

Without Z4J_DSN nothing happens.
"""

from __future__ import annotations

from z4j_celerybeat.beat import Beat
from z4j_celerybeat.starting import install

__all__ = ["Beat", "install"]
