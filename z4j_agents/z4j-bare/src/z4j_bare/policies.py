"""The policy of redaction that this host last heard, as every process of its workers reads it: one small file.

The process that polls writes it; each process looks at most once a second whether it is another one. Nothing here
raises on the way of an event. What cannot be read stands for shapes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from z4j_core import policy
from z4j_core.policy import Mode, Policy

from z4j_bare.database import Unavailable
from z4j_bare.problems import Problems

logger = logging.getLogger(__name__)

FILE: Final = "policy.json"
#: Seconds between two looks at the file.
LOOK: Final = 1.0
LARGEST: Final = 512 * 1024
_UNREADABLE: Final = (
    "The policy of redaction that the brain hands out cannot be read here, so values are told by their shape alone."
    " Upgrade this agent; a newer brain may say what it does not know."
)
_VERSION: Final = re.compile(r"[0-9a-f]{12}")


class Policies:
    """`folder`: where this agent keeps its files; it may raise Unavailable."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._look_at = 0.0
        self._stamp: tuple[int, int, int] | None = None
        self._now: Policy | None = None

    def now(self) -> Policy | None:
        """The policy in force: the same object until there is another one. None: none was ever heard here."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK
            self._look()
        return self._now

    def version(self) -> str:
        """Of the policy in force; "" when there is none."""
        found = self.now()
        return found["version"] if found is not None else ""

    def seal_key(self) -> str:
        """The key that the brain hands out to seal to."""
        found = self.now()
        return found["seal_key"] if found is not None else ""

    def mode(self, owner: str | None) -> Mode:
        """What holds here for tasks of which the policy says nothing by name."""
        found = self.now()
        if found is None:
            return policy.effective(None, owner, "")
        return policy.strictest(owner or found["default"], found["mode"])

    def hear(self, document: Any) -> None:
        """What the brain hands out: kept for all processes of this host."""
        if not isinstance(document, dict) or document.get("version") == self.version():
            return
        with contextlib.suppress(Unavailable, OSError, ValueError):
            self._keep(json.dumps(document, sort_keys=True))
        # Without a place for it, it holds in this process at least.
        self._now = _read(document)

    def tell(self, problems: Problems) -> None:
        """Say so while the policy in force cannot be read."""
        found = self.now()
        if found is not None and _is_broken(found):
            problems.tell("", "policy_unreadable", _UNREADABLE, "policy")
        else:
            problems.over("", "policy")

    def _look(self) -> None:
        try:
            path = self._folder() / FILE
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp == self._stamp:
                return
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except FileNotFoundError:
            return
        except (OSError, Unavailable):
            # It may be there and say something: with nothing known the least is told.
            self._now = self._now or _broken({})
            return
        self._stamp = stamp
        read = _parse(content)
        if read != self._now:
            self._now = read

    def _keep(self, content: str) -> None:
        """Whoever reads sees the old one or the new one, whole."""
        path = self._folder() / FILE
        beside = path.with_name(f"{FILE}.{os.getpid()}")
        handle = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(content)
        beside.replace(path)


def _parse(content: bytes) -> Policy:
    try:
        return _read(json.loads(content)) if len(content) <= LARGEST else _broken({})
    except (ValueError, RecursionError):
        logger.error("file=%s cannot be read, values are told by their shape", FILE)
        return _broken({})


def _read(document: Any) -> Policy:
    try:
        return policy.read(document)
    except (ValueError, TypeError, RecursionError) as error:
        logger.error("The policy of redaction cannot be used, values are told by their shape: %s", error)
        return _broken(document if isinstance(document, Mapping) else {})


def _broken(document: Mapping[str, Any]) -> Policy:
    """Shapes, under the name of what could not be read: the brain need not hand it out again and again."""
    named = str(document.get("version", ""))
    version = named if _VERSION.fullmatch(named) else ""
    return Policy(version=version, mode=Mode.SHAPES, default=Mode.SHAPES, tasks=[], rules=[], seal_key="")


def _is_broken(found: Policy) -> bool:
    return found["version"] != policy.version(found)
