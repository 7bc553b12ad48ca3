"""What people changed of schedules and a restart of their scheduler would forget: kept in the agent's state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from z4j_core.adapter import Store


class Overrides:
    """Of one scheduler: for each key a few words in JSON. A store that fails remembers nothing."""

    def __init__(self, state: Store, source: str) -> None:
        self._state = state
        self._prefix = f"schedule/{source}/"

    def get(self, key: str) -> dict[str, Any]:
        found = self._state.get(self._prefix + key)
        return dict(json.loads(found)) if found else {}

    def put(self, key: str, words: Mapping[str, Any]) -> None:
        """Nothing to say means nothing is kept."""
        if words:
            self._state.put(self._prefix + key, json.dumps(words).encode())
        else:
            self.forget(key)

    def add(self, key: str, **words: Any) -> None:
        """To what is kept already; None takes a word away."""
        self.put(key, {name: value for name, value in {**self.get(key), **words}.items() if value is not None})

    def forget(self, key: str) -> None:
        self._state.delete(self._prefix + key)

    def all(self) -> dict[str, dict[str, Any]]:
        return {key[len(self._prefix) :]: dict(json.loads(value)) for key, value in self._state.items(self._prefix)}
