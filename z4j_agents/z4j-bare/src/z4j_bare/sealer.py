"""What an agent seals on the way out, and what it opens on the way back.

Out: `Agent.keep` is given the original, `Agent.emit` the event that tells of it, a moment later in the same process; in
between it waits here, in memory. Back: what a command brought is lent to the adapter for that one act.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from z4j_core import wire
from z4j_core.sealed import MAX_BLOB

from z4j_bare import seal_keys, sealing
from z4j_bare.config import Config
from z4j_bare.problems import Problems
from z4j_bare.sealing import Place, Unopened

SEAL: Final = "seal"
#: Originals that wait for their events at once.
WAITING: Final = 64
_MISSING: Final = (
    "Originals are to be sealed (mode seal), but this worker has no key to seal to: nothing is sealed. Give it"
    " Z4J_SEAL_KEY, or Z4J_SEAL_FINGERPRINT where others have the key."
)
_SWAPPED: Final = (
    "The key that the brain hands out to seal originals to is not the one whose fingerprint is pinned here: nothing is"
    " sealed to it. Ask who runs the brain what happened."
)


class Sealer:
    """`mode`: the one that holds for a task of this name. `offered`: the public key that the brain hands out, or ""."""

    def __init__(
        self, config: Config, problems: Problems, mode: Callable[[str], str], offered: Callable[[], str]
    ) -> None:
        self._config = config
        self._dsns = tuple(dsn for dsn in (config.dsn, config.previous) if dsn is not None)
        self._problems = problems
        self._mode = mode
        self._offered = offered
        self._kept: OrderedDict[str, bytes | None] = OrderedDict()
        self._lent: dict[str, bytes] = {}
        self._seen: tuple[str, X25519PublicKey | None] = "", None

    def key(self) -> X25519PublicKey | None:
        """What is sealed to: our own key, else the one that the brain hands out, if that is pinned here."""
        keys = self._config.seal
        if keys.private:
            return keys.private[0].public_key()
        offered = self._offered() if keys.pinned else ""
        if offered != self._seen[0]:
            self._seen = offered, self._pinned(offered)
        return self._seen[1]

    def describe(self) -> dict[str, Any]:
        """Of agent.online: the public key, and the ids of those that are opened here."""
        private = self._config.seal.private
        if not private:
            return {}
        kids = [seal_keys.kid_of(key.public_key()) for key in private]
        return {"seal_key": seal_keys.tell(private[0].public_key()), "seal_kids": kids}

    def look(self) -> None:
        """Say so when originals are to be sealed and cannot be, and when they can again."""
        if self._mode("") == SEAL and self.key() is None:
            self._lacks()
        else:
            self._problems.over("", "seal")

    def keep(self, task_id: str, original: bytes) -> None:
        if self._config.seal:
            # What is larger than a blob may be is not held in memory, only that there was something.
            self._kept[task_id] = original if len(original) < MAX_BLOB else None
            if len(self._kept) > WAITING:
                self._kept.popitem(last=False)

    def attach(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """The event, with what was kept of its task, sealed, where that is how it is to be."""
        if not event.get("vault"):
            return event
        original = self._kept.pop(event.get("task_id", ""), None)
        if self._mode(event.get("name", "")) != SEAL:
            return event
        if (key := self.key()) is None:
            self._lacks()
            return event
        sealed = None
        if original is not None and event.get("name") and event.get("engine"):
            place = self._place(event["engine"], event["name"], event["task_id"])
            sealed = sealing.seal(key, self._config.dsn, place, original)
        if sealed is None:
            return {**event, "truncated": [*(event.get("truncated") or ()), "sealed"]}
        return {**event, "sealed": sealed}

    def lend(self, command: wire.Command, target: wire.Target) -> Unopened | None:
        """Open what came with this target, for as long as it is acted upon. What keeps it from being opened, if so."""
        if "sealed" not in target:
            return None
        place = self._place(command["engine"], target.get("name", ""), target["task_id"])
        try:
            self._lent[target["task_id"]] = sealing.unseal(
                self._config.seal.private, self._dsns, place, target["sealed"]
            )
        except Unopened as error:
            return error
        return None

    def lent(self, task_id: str) -> bytes | None:
        return self._lent.get(task_id)

    def take_back(self, target: wire.Target) -> None:
        self._lent.pop(target["task_id"], None)

    def _place(self, engine: str, name: str, task_id: str) -> Place:
        return Place(self._config.dsn.project, self._config.dsn.environment, engine, name, task_id)

    def _pinned(self, offered: str) -> X25519PublicKey | None:
        try:
            key = seal_keys.public(offered) if offered else None
        except seal_keys.InvalidKey:
            return None
        return key if key and seal_keys.print_of(key) in self._config.seal.pinned else None

    def _lacks(self) -> None:
        swapped = bool(self._config.seal.pinned and self._offered())
        code, text = ("seal_key_swapped", _SWAPPED) if swapped else ("seal_key_missing", _MISSING)
        self._problems.tell("", code, text, "seal")
