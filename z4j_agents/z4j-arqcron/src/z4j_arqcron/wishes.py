"""What people want of a cron job other than the code says. Kept for all workers of this host and its queue."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from z4j_core.safety import guard
from z4j_core.scheduler import Store

from z4j_arqcron.fields import parse

NAME: Final = "arqcron"


@dataclass(frozen=True, slots=True)
class Wish:
    """`off`: it does not fire. `cron`: its plan, where that is not the code's. `task`: the function that it enqueues,
    where it is not in the code at all.
    """

    off: bool = False
    cron: str = ""
    task: str = ""


NONE: Final = Wish()


class Wishes:
    def __init__(self, store: Store, queue: str) -> None:
        self._store = store
        self._prefix = f"schedule/{NAME}/{queue}/"

    def read(self) -> dict[str, Wish]:
        found = {}
        for name, value in self._store.items(self._prefix):
            with guard("arqcron.wish"):
                wish = Wish(**json.loads(value))
                if wish.cron:
                    parse(wish.cron)
                found[name.removeprefix(self._prefix)] = wish
        return found

    def write(self, key: str, wish: Wish) -> None:
        if wish == NONE:
            self._store.delete(self._prefix + key)
        else:
            self._store.put(self._prefix + key, json.dumps(asdict(wish)).encode())
