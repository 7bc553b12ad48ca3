"""The agent of a process that has no DSN: everything may be said to it, and nothing happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from z4j_core.engine import Store
from z4j_core.redaction import Redactor


class Silence:
    def __init__(self) -> None:
        self.redactor = Redactor()
        self.state: Store = Nothing()

    def emit(self, event: Mapping[str, Any]) -> None:
        """Nobody listens."""

    def keep(self, task_id: str, blob: bytes) -> str:
        return ""

    def original(self, task_id: str) -> bytes | None:
        return None

    def role(self, role: str, name: str = "") -> None:
        """Nobody asks."""

    def flush(self, timeout: float = 1.0) -> bool:
        return True

    def stop(self, timeout: float = 2.0) -> None:
        """Nothing runs."""


class Nothing:
    def get(self, key: str) -> bytes | None:
        return None

    def put(self, key: str, value: bytes) -> None:
        """Nothing is remembered."""

    def delete(self, key: str) -> None:
        """There is nothing."""

    def items(self, prefix: str) -> list[tuple[str, bytes]]:
        return []
