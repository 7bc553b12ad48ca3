"""Who may wait to have a batch taken, so that the agents of one key do not keep those of every other out.

The room holds so many batches and bytes. Up to half of it anybody may take; beyond, a key that has its fair share is
asked to come later, and there is always room for one key more than are here. Only a full room refuses everybody.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CAPACITY = 64
#: Bodies as they come, and as they are once they are unpacked.
CAPACITY_BYTES = 64 * 1024 * 1024


class Full(Exception):
    """Nobody gets in now."""


class Greedy(Exception):
    """This key has its share; others get in."""


@dataclass(slots=True)
class Holding:
    """What one key has in the room."""

    batches: int = 0
    bytes: int = 0


class Admission:
    def __init__(self, batches: int = CAPACITY, size: int = CAPACITY_BYTES) -> None:
        self._most = Holding(batches, size)
        self._all = Holding()
        self._by_key: dict[Hashable, Holding] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._all.batches

    @contextmanager
    def admit(self, key: Hashable, size: int) -> Iterator[Place]:
        """A place for a batch of `size` bytes, kept while the context lasts. Raises Full or Greedy."""
        place = Place(self, key)
        place.take(1, size)
        try:
            yield place
        finally:
            place.leave()

    def _take(self, key: Hashable, batches: int, size: int) -> None:
        with self._lock:
            mine = self._by_key.get(key, Holding())
            self._refuse(mine, batches, size, keys=len(self._by_key) + (key not in self._by_key))
            for holding in (self._by_key.setdefault(key, mine), self._all):
                holding.batches += batches
                holding.bytes += size

    def _refuse(self, mine: Holding, batches: int, size: int, keys: int) -> None:
        whole, most = self._all, self._most
        if whole.batches + batches > most.batches or whole.bytes + size > most.bytes:
            raise Full
        share = keys + 1  # one more may come
        many = whole.batches * 2 >= most.batches and mine.batches + batches > max(most.batches // share, 1)
        large = whole.bytes * 2 >= most.bytes and mine.bytes + size > most.bytes // share
        if many or large:
            raise Greedy

    def _give(self, key: Hashable, batches: int, size: int) -> None:
        with self._lock:
            mine = self._by_key[key]
            for holding in (mine, self._all):
                holding.batches -= batches
                holding.bytes -= size
            if not mine.batches:
                del self._by_key[key]


class Place:
    """One batch's place. Any thread may make it larger; it is left once."""

    def __init__(self, admission: Admission, key: Hashable) -> None:
        self._admission, self._key = admission, key
        self._batches = self._bytes = 0

    def take(self, batches: int, size: int) -> None:
        self._admission._take(self._key, batches, size)
        self._batches += batches
        self._bytes += size

    def grow(self, size: int) -> None:
        """The batch is `size` bytes larger than was said. Raises Full or Greedy."""
        self.take(0, size)

    def leave(self) -> None:
        self._admission._give(self._key, self._batches, self._bytes)
