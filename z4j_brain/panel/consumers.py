"""The panel's websocket: it says that something in an environment has changed, never what. One a tab."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from django.http import Http404

from z4j_brain.panel.hub import hub
from z4j_brain.rbac import queries
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import User

logger = logging.getLogger(__name__)

#: Nudges of this long are told as one, so that a busy environment costs a tab four messages a second at most.
GATHER = 0.25
#: A page that watches whole kinds is told once in a beat, and all such pages at its beginning: so they ask for the same
#: at the same time. A beat lasts this long, and longer where more pages are open than this many a second can ask.
BEAT, ASKING = 5.0, 10
#: Things that one page watches.
MAX_WATCHED = 10
#: Sockets of one session that ask within this time what its person may see ask once.
TOGETHER = 0.05
#: More ids of a kind than this are told as "any".
MAX_IDS = 100
#: How often an open socket is asked for anew whether its reader may still know: what is revoked ends within 5 s.
CHECK_EVERY = 4.0

#: Sockets that one person may have open in one process: more are no tabs.
MAX_SOCKETS = 20

SIGNED_OUT, NOT_HERE, NOT_UNDERSTOOD, TOO_MANY = 4401, 4404, 4400, 4429

_PLACE = re.compile(r"([-\w]{1,64})/([-\w]{1,64})", re.ASCII)


class Nowhere(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Every other address: refused without a word in the log, which anybody could fill."""

    async def connect(self) -> None:
        await self.close()


class Live(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """The client says {"subscribe": "project/environment", "watch": ["kind", "kind:id"]}, without `watch` of all kinds;
    the server {"kind": ..., "ids": [...], "at": ...}; no ids: any. `at`: when it heard of the last of it.

    Only a page of this very origin may open it: cookies do not tell ports apart, the Origin header does.
    """

    #: By person: the sockets that are open in this process.
    held: ClassVar[Counter[str]] = Counter()
    #: By session and place: what is about to be asked of the database.
    asking: ClassVar[dict[tuple[str, str, str], asyncio.Future[tuple[int, bool] | None]]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.holder = ""
        self.place: tuple[str, str] | None = None
        #: The environment that it hears of; 0: of none.
        self.hears = 0
        self.watched: list[tuple[str, str]] = []
        self.gathered: dict[str, set[str] | None] = {}
        self.heard_at, self.beat = 0.0, 0
        self.teller: asyncio.Task[None] | None = None
        self.checker: asyncio.Task[None] | None = None
        #: Does the reader see all that is there? Else no ids are told: they might be of what is hidden.
        self.whole = False

    async def connect(self) -> None:
        if not self._own_origin():
            await self.close()
            return
        await self.accept()
        if not self.scope["user"].is_authenticated:
            await self.close(SIGNED_OUT)
        elif self.held[str(self.scope["user"].pk)] >= MAX_SOCKETS:
            await self.close(TOO_MANY)
        else:
            self.holder = str(self.scope["user"].pk)
            self.held[self.holder] += 1

    async def disconnect(self, code: int) -> None:
        if self.holder:
            self.held[self.holder] -= 1
            if not self.held[self.holder]:
                del self.held[self.holder]
            self.holder = ""
        for task in (self.teller, self.checker):
            if task:
                task.cancel()
        self._leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        await self.receive_json(_read(text_data))

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        place = content.get("subscribe") if isinstance(content, dict) else None
        named = _PLACE.fullmatch(place) if isinstance(place, str) else None
        watched = _watched(content.get("watch", [])) if named else None
        if named is None or watched is None:
            await self.close(NOT_UNDERSTOOD)
            return
        self._leave()
        self.place, self.watched = (named[1], named[2]), watched
        environment_id = await self._environment()
        if environment_id is None:
            await self.close(NOT_HERE)
            return
        self.hears = environment_id
        await hub().enter(environment_id, self)
        await self.send_json({"kind": "subscribed", "ids": []})
        if self.checker is None:
            self.checker = asyncio.create_task(self._check())

    def hear(self, kind: str, ids: Sequence[str]) -> None:
        """Things of a kind have changed in the environment: to be told, if the page watches them."""
        if not self._concerns(kind, ids):
            return
        self.heard_at = time.time()
        known = self.gathered.get(kind, set())
        all_ids = None if known is None or not ids else known | set(ids)
        self.gathered[kind] = None if all_ids is None or len(all_ids) > MAX_IDS else all_ids
        if self.teller is None or self.teller.done():
            self.teller = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        """Pass on what gathered, after asking anew whether this reader may still know."""
        await asyncio.sleep(self._pause())
        gathered, self.gathered, place = self.gathered, {}, self.place
        if await self._environment() is None:
            await self.close(NOT_HERE)
            return
        if self.place != place:  # what is of there is not to be told with the rights of here
            return
        for kind, ids in gathered.items():
            told = sorted(ids or ()) if self.whole else []
            await self.send_json({"kind": kind, "ids": told, "at": round(self.heard_at, 3)})

    def _concerns(self, kind: str, ids: Sequence[str]) -> bool:
        """Is this of what the page watches? Of whoever does not see all, no ids are asked: they could guess."""
        if not self.watched:
            return True
        wanted = (of for name, of in self.watched if name == kind)
        return any(not of or not ids or not self.whole or of in ids for of in wanted)

    def _pause(self) -> float:
        """How long to gather. A page of one thing is told at once, one of a list but once a beat."""
        if not self.watched or any(of for _, of in self.watched):
            return GATHER
        now, length = time.monotonic(), max(BEAT, self.held.total() / ASKING)
        before, self.beat = self.beat, int(now / length)
        if self.beat != before:
            return GATHER
        self.beat += 1
        return self.beat * length - now + GATHER

    async def _check(self) -> None:
        """However quiet it is: whose session, account or role ends hears nothing more."""
        while True:
            await asyncio.sleep(CHECK_EVERY - time.monotonic() % CHECK_EVERY)  # with all others of the session
            try:
                gone = await self._environment() is None
            except DatabaseError as error:  # it may be away for a while; whoever tells asks again
                logger.warning("store_away error=%s", str(error).strip())
                continue
            if gone:
                self.checker = None  # which is not cancelled while it closes
                await self.close(NOT_HERE)
                return

    def _own_origin(self) -> bool:
        headers: dict[bytes, bytes] = dict(self.scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        return bool(host) and (origin == settings.Z4J_URL or urlsplit(origin).netloc == host)

    def _leave(self) -> None:
        left, self.hears, self.gathered = self.hears, 0, {}
        if left:
            hub().leave(left, self)

    async def _environment(self) -> int | None:
        """The subscribed environment, when the session still stands and its person may still see it."""
        if self.place is None:
            return None
        asked = (self.scope["session"].session_key, *self.place)
        if asked not in self.asking:
            self.asking[asked] = asyncio.ensure_future(self._look_up(asked))
        found = await asyncio.shield(self.asking[asked])
        self.whole = found is not None and found[1]
        return found[0] if found else None

    async def _look_up(self, asked: tuple[str, str, str]) -> tuple[int, bool] | None:
        """The same for every socket of the session that asks until it begins."""
        key, *place = asked
        try:
            await asyncio.sleep(TOGETHER)
        finally:
            del self.asking[asked]
        # A fresh session object: the one of the scope remembers what it was when the socket opened.
        user = await get_user({"session": type(self.scope["session"]._wrapped)(key)})
        if not isinstance(user, User):
            return None
        found: tuple[int, bool] | None = await database_sync_to_async(self._visible)(user, *place)
        return found

    @staticmethod
    def _visible(user: User, project: str, slug: str) -> tuple[int, bool] | None:
        """The environment, and whether all that is in it may be seen."""
        actor = Actor.of_user(user)
        try:
            place = queries.environment(actor, project, slug)
        except Http404:
            return None
        return place.pk, queries.sees_everything(actor, place)


def _watched(told: Any) -> list[tuple[str, str]] | None:
    """Kinds, each with the id of one of them or an empty one; None for what makes no sense."""
    if not isinstance(told, list) or len(told) > MAX_WATCHED or not all(isinstance(one, str) for one in told):
        return None
    return [(kind, of) for kind, _, of in (one[:100].partition(":") for one in told)]


def _read(text: str | None) -> Any:
    """What the client says; None for what is no JSON."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return None
