"""z4j's adapter for the cron jobs of arq's workers. It stands beside z4j-arq and takes no line of its own.

The worker, and with it its cron jobs, is found by the agent when the worker starts.
"""

from __future__ import annotations

from z4j_arqcron.scheduler import ArqCron

__all__ = ["ArqCron"]
