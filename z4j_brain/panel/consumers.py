"""The panel's websocket: it says that something in an environment has changed, never what. One a tab."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import Counter
from typing import Any, ClassVar
from urllib.parse import urlsplit

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from django.http import Http404

from z4j_brain.lib import nudge
from z4j_brain.rbac import queries
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import User

logger = logging.getLogger(__name__)

#: Nudges of this long are told as one, so that a busy environment costs a tab four messages a second at most.
GATHER = 0.25
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
    """The client says {"subscribe": "project/environment"}, the server {"kind": ..., "ids": [...]}; no ids: any.

    Only a page of this very origin may open it: cookies do not tell ports apart, the Origin header does.
    """

    #: By person: the sockets that are open in this process.
    held: ClassVar[Counter[str]] = Counter()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.holder = ""
        self.place: tuple[str, str] | None = None
        self.group = ""
        self.gathered: dict[str, set[str] | None] = {}
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
        await self._leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        await self.receive_json(_read(text_data))

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        place = content.get("subscribe") if isinstance(content, dict) else None
        named = _PLACE.fullmatch(place) if isinstance(place, str) else None
        if named is None:
            await self.close(NOT_UNDERSTOOD)
            return
        await self._leave()
        self.place = (named[1], named[2])
        environment_id = await self._environment()
        if environment_id is None:
            await self.close(NOT_HERE)
            return
        self.group = nudge.pages_group(environment_id)
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.send_json({"kind": "subscribed", "ids": []})
        if self.checker is None:
            self.checker = asyncio.create_task(self._check())

    async def nudge(self, event: dict[str, Any]) -> None:
        known = self.gathered.get(event["kind"], set())
        ids = None if known is None or not event["ids"] else known | set(event["ids"])
        self.gathered[event["kind"]] = None if ids is None or len(ids) > MAX_IDS else ids
        if self.teller is None or self.teller.done():
            self.teller = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        """Pass on what gathered, after asking anew whether this reader may still know."""
        await asyncio.sleep(GATHER)
        gathered, self.gathered = self.gathered, {}
        if await self._environment() is None:
            await self.close(NOT_HERE)
            return
        for kind, ids in gathered.items():
            await self.send_json({"kind": kind, "ids": sorted(ids or ()) if self.whole else []})

    async def _check(self) -> None:
        """However quiet it is: whose session, account or role ends hears nothing more."""
        while True:
            await asyncio.sleep(CHECK_EVERY)
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

    async def _leave(self) -> None:
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)
            self.group = ""

    async def _environment(self) -> int | None:
        """The subscribed environment, when the session still stands and its person may still see it."""
        session = self.scope["session"]
        # A fresh session object: the one of the scope remembers what it was when the socket opened.
        user = await get_user({"session": type(session._wrapped)(session.session_key)})
        if not isinstance(user, User) or self.place is None:
            return None
        found: tuple[int, bool] | None = await database_sync_to_async(self._visible)(user, *self.place)
        self.whole = found is not None and found[1]
        return found[0] if found else None

    @staticmethod
    def _visible(user: User, project: str, slug: str) -> tuple[int, bool] | None:
        """The environment, and whether all that is in it may be seen."""
        actor = Actor.of_user(user)
        try:
            place = queries.environment(actor, project, slug)
        except Http404:
            return None
        return place.pk, queries.sees_everything(actor, place)


def _read(text: str | None) -> Any:
    """What the client says; None for what is no JSON."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return None
