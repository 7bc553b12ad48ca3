"""z4j's adapter for taskiq's scheduler and all its sources. It stands beside z4j-taskiq and takes no line of its own.

The scheduler is found by the agent when the command `taskiq scheduler` starts the broker.
"""

from __future__ import annotations

from z4j_taskiqscheduler.scheduler import TaskiqScheduler

__all__ = ["TaskiqScheduler"]
