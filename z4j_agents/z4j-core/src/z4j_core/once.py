"""Sending a task at most once over Redis: message and mark arrive in one step, or neither does.

A process that is killed while it sends leaves either both behind or nothing. Whoever is given the same command again,
on whatever host, sees which; and when two send at the same moment, one of them does. Each adapter has its engine's own
client run `script`; no client is imported here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from z4j_core.engine import Target

#: Seconds for which a mark outlives the command it belongs to.
GRACE: Final = 24 * 3600
#: KEYS[1]: the mark. ARGV: its life in seconds, then commands, each as the number of its words and the words.
SCRIPT: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local at = 2
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + size))
  at = at + size + 1
end
redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
return 1
"""

Word = str | bytes | int | float


def mark(target: Target) -> str:
    """The key that is there once the task of this target has been sent."""
    return f"z4j:once:{target.new_task_id()}"


def life(target: Target) -> int:
    """Seconds for which the mark is kept: as long as the command may be given to somebody again, and a day."""
    left = target.expires / 1_000_000 - time.time()
    return max(round(left), 0) + GRACE


def script(target: Target, *commands: Sequence[Word]) -> list[Word]:
    """What is handed to EVAL. It returns 1, or 0 when the task had been sent before: nothing was done then."""
    words = [word for command in commands for word in (len(command), *command)]
    return [SCRIPT, 1, mark(target), life(target), *words]
