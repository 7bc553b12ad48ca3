"""How long a stretch of time one rollup sums up, and what it counts."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy
from z4j_core.wire import FINAL


class Grain(models.IntegerChoices):
    """The value is the length in seconds. Stretches begin at whole multiples of it since 1970 (UTC)."""

    FIVE_MINUTES = 300, "5 minutes"
    HOUR = 3600, "1 hour"
    DAY = 86_400, "1 day"

    def floor(self, seconds: int) -> int:
        """The start of the stretch in which this moment lies, seconds since 1970."""
        return seconds - seconds % self.value


#: The states a task ends in, each a column of its own.
ENDS = tuple(sorted(state.value for state in FINAL))
#: Those of them that count as failures, with their words: the rate that pages show, what hangs below a chart's axis.
FAILURES = {"failed": gettext_lazy("failed"), "dead_lettered": gettext_lazy("given up"), "lost": gettext_lazy("lost")}
#: Everything a rollup counts or sums up, in the order of its columns. `retries`: attempts before the last of tasks that
#: ended; `runtime_us`: how long their last runs took together, microseconds.
SUMS = ("arrived", *ENDS, "retries", "runtime_us")
