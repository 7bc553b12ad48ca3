"""An engine without a broker: what it is asked for, it writes down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from z4j_core import wire
from z4j_core.engine import Answer, Engine, Target


class Toy(Engine):
    """To retry a task is to write down that it was asked."""

    name: ClassVar[str] = "toy"

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def worker(self) -> dict[str, Any]:
        return {"host": "h", "pid": 1, "queues": ["q"], "running": []}

    def retry(self, target: Target, params: Mapping[str, Any]) -> Answer:
        self.done.append(target.task_id)
        return Answer(wire.Outcome.DONE, "", target.new_task_id())
