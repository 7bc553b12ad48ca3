"""z4j's adapter for Huey's periodic tasks.

Where `z4j_huey.attach(huey)` is said, or Django's `huey.contrib.djhuey` is used with `z4j_django`, nothing more is
needed. A program without these says `import z4j_hueyperiodic; z4j_hueyperiodic.install()` before its consumer is made.
"""

from __future__ import annotations

from z4j_core.scheduler import attach

from z4j_hueyperiodic.scheduler import HueyPeriodic

__all__ = ["HueyPeriodic", "install"]


def install() -> bool:
    """Report the periodic tasks of this process' consumer. False when no brain is configured."""
    return attach(HueyPeriodic())
