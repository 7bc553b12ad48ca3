"""The two hot routes of the agents' door, as raw ASGI ahead of Django: events in, commands out by long-poll."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import orjson
from django.db import DatabaseError, InterfaceError, OperationalError
from z4j_core import wire

from z4j_brain.agents import queries
from z4j_brain.agents.models import Agent, AgentKey
from z4j_brain.gateway import bearer, parser
from z4j_brain.gateway.admission import Admission, Full, Greedy, Place
from z4j_brain.gateway.heads import Remembered, heads, remembered
from z4j_brain.gateway.policies import VERSION, policies
from z4j_brain.gateway.waiting import Waiter, room
from z4j_brain.gateway.writer import Busy, Desk, reader, writer
from z4j_brain.lib import drain, keys
from z4j_brain.lib.batch import ParsedBatch
from z4j_brain.lib.digits import whole
from z4j_brain.lib.problem import CONTENT_TYPE, Problem, refuse_when_low, store_away, unavailable
from z4j_brain.operations import outbox
from z4j_brain.tasks.doubts import Rounds
from z4j_brain.tasks.ingest import Work, ingest_together

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[[Scope, Receive], Awaitable[bytes]]

#: Commands, and the note of the checkpoint that the last of them is proven under.
Leased = tuple[list[wire.Signed], str]
_NONE: Leased = ([], "")

#: How long a body may take to arrive.
SLOW = 10.0
#: How many commands one poll takes along.
LEASED_AT_ONCE = 4

admission = Admission()
_rounds = Rounds()
#: Looks for tasks in doubt, so that whoever authenticates and parses does not wait for it.
_doubter = Desk("gateway-doubts", threads=1)


def route(scope: Scope) -> Application | None:
    """Who answers this request: one of ours, or None for Django."""
    return _ROUTES.get(scope["path"])


async def _events(scope: Scope, receive: Receive) -> bytes:
    headers = _headers(scope, "POST")
    key, length = await _key(headers), _length(headers)
    with admission.admit(key.pk, length) as place:
        body = await _body(length, receive)
        batch = await reader.run_urgent(_parse, body, headers.get("content-encoding", ""), place)
        work = Work(key, batch, _tries(headers))
        return orjson.dumps(await writer.run_together(ingest_together, work, len(batch.events)))


async def _key(headers: dict[str, str]) -> AgentKey:
    authorization = headers.get("authorization", "")
    if key := bearer.recall(authorization):
        return key
    return await reader.run_urgent(bearer.authenticate, authorization)


def _parse(body: bytes, encoding: str, place: Place) -> ParsedBatch:
    refuse_when_low()
    raw = parser.unzip(body, encoding.strip().lower())
    place.grow(max(len(raw) - len(body), 0))
    return parser.parse(raw)


def _tries(headers: dict[str, str]) -> int:
    told = whole(headers.get(wire.TRIES_HEADER, "1"), 9)
    return 1 if told is None else told


def _length(headers: dict[str, str]) -> int:
    """The announced length: a body is refused by it before any of it is asked for."""
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise Problem(411, "length_required", "Length required", "Send a Content-Length.")
    if len(length) > 10 or int(length) > wire.MAX_BODY:
        raise Problem(413, "body_too_large", "Body too large", f"A body here has {wire.MAX_BODY} bytes at most.")
    return int(length)


async def _body(length: int, receive: Receive) -> bytes:
    try:
        async with asyncio.timeout(SLOW):
            return await _read(length, receive)
    except TimeoutError as error:
        raise Problem(408, "slow_body", "Too slow", f"The body did not arrive within {SLOW:.0f} s.") from error


async def _read(length: int, receive: Receive) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > length:
            raise Problem(400, "length", "Wrong length", "The body is longer than its Content-Length.")
    return b"".join(parts)


async def _commands(scope: Scope, receive: Receive) -> bytes:
    headers = _headers(scope, "GET")
    boot, wait, known, applied = _query(scope["query_string"])
    began, key, here, authorization = time.monotonic(), await _key(headers), room(), headers["authorization"]
    del headers  # of thousands that wait, each would keep its own
    waiter = here.enter(key.environment_id, boot, authorization, applied)
    try:
        if error := await waiter.looked_up:
            raise error
        await _look_at_policy(waiter)
        commands, under = await _wait(waiter, authorization, wait, receive)
        looks = [] if commands or waiter.superseded or not wait else await _doubts(waiter)
        log = None if waiter.superseded else await _log(known, began, under)
        policy = None if waiter.superseded else policies().differs(waiter.environment_id, applied)
    finally:
        here.leave(waiter)
    poll = wire.Poll(v=wire.VERSION, commands=commands, time=time.time_ns() // 1000)
    if looks:
        poll["look"] = looks
    if log:
        poll["log"] = log
    if policy:
        poll["redaction"] = policy
        policies().told(key.environment_id, boot, policy)
    return orjson.dumps(poll)


async def _log(known: Remembered | None, began: float, under: str) -> wire.Log | None:
    """How the audit log goes on. What comes without it is refused by whoever needs it, and asked for again."""
    try:
        return await heads().told(known, began, under)
    except (DatabaseError, LookupError, ValueError) as error:
        logger.warning("log_not_told error=%s", str(error).strip() or type(error).__name__)
        return None


async def _look_at_policy(waiter: Waiter) -> None:
    """Does the agent apply another policy than is asked of it? Nobody fails because it cannot be found out now."""
    if waiter.policy is None:
        return
    try:
        await policies().look([waiter.environment_id])
        waiter.look_at_policy()
    except DatabaseError as error:
        logger.warning("policy_not_told error=%s", type(error).__name__)


async def _doubts(waiter: Waiter) -> list[wire.Look]:
    """What the brain wonders about. Nobody waits for it, and nothing fails because it cannot be found out now."""
    if _rounds.has_nothing(waiter.environment_id, waiter.engines):
        return []
    try:
        return await _doubter.run(_rounds.deal, waiter.environment_id, waiter.engines)
    except Busy:
        return []  # the next poll asks again
    except DatabaseError as error:
        logger.warning("doubts_failed error=%s", type(error).__name__)
        return []


def _query(query_string: bytes) -> tuple[UUID, int, Remembered | None, str | None]:
    query = parse_qs(query_string.decode("latin-1"), keep_blank_values=True)
    versions = query.get("v", [str(wire.VERSION)])[0].split(",")
    if not {str(version) for version in wire.SERVED} & set(versions):
        raise Problem(400, "version", "Unknown version", f"This brain speaks {', '.join(map(str, wire.SERVED))}.")
    wait = query.get("wait", ["0"])[0]
    if not (wait.isascii() and wait.isdigit() and len(wait) < 10):
        raise Problem(400, "wait", "Bad request", "wait is a number of seconds.")
    known = remembered(query.get(wire.ORIGIN_QUERY, [""])[0], query.get(wire.SIZE_QUERY, [""])[0])
    try:
        boot = UUID(query.get("boot", [""])[0])
    except ValueError as error:
        raise Problem(400, "boot", "Bad request", "boot is the agent's UUID.") from error
    applied = query["policy"][0][:VERSION] if "policy" in query else None
    return boot, min(int(wait), wire.MAX_WAIT), known, applied


async def _wait(waiter: Waiter, authorization: str, wait: int, receive: Receive) -> Leased:
    """Commands as soon as there are any; none when the time is up, the agent is gone or the server is stopping."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    timer = loop.call_at(deadline, waiter.flag.set)
    gone = loop.create_task(_gone(receive))
    gone.add_done_callback(lambda task: waiter.flag.set())
    try:
        while True:
            looking = waiter.flag.is_set()
            await waiter.flag.wait()
            waiter.flag.clear()
            if gone.done() or waiter.superseded or drain.begun():
                waiter.superseded = True
                return _NONE
            timely = looking or loop.time() < deadline
            if timely and (leased := await writer.run_urgent(_lease, waiter, authorization))[0]:
                return leased
            if waiter.has_news or loop.time() >= deadline:
                return _NONE
    finally:
        timer.cancel()
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _lease(waiter: Waiter, authorization: str) -> Leased:
    """Lease and sign, if the key is still in force and not only when the poll began."""
    key: AgentKey = bearer.authenticate(authorization)
    agent: Agent | None = queries.of_boot(key.environment_id, waiter.boot)
    waiter.know(agent)
    commands = outbox.lease(agent, LEASED_AT_ONCE) if agent else []
    signed = [keys.ring().sign_command(json.dumps(command, allow_nan=False).encode()) for command in commands]
    return signed, commands[-1]["proof"]["checkpoint"] if commands else ""


class _Gone(Exception):
    """Nobody is there any more to be answered."""


def _headers(scope: Scope, method: str) -> dict[str, str]:
    if scope["method"] != method:
        problem = Problem(405, "method", "Method not allowed", f"Send {method}.")
        problem.headers["Allow"] = method
        raise problem
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _answering(handler: Handler) -> Application:
    """Turn what a handler returns or raises into a response."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await _respond(send, 200, await handler(scope, receive), {})
        except _Gone:
            return
        except Problem as problem:
            await _refuse(send, problem)
        except Greedy:
            await _refuse(send, _later())
        except (Full, Busy):
            await _refuse(send, unavailable("busy", "The brain has as much to write as it can hold."))
        except (OperationalError, InterfaceError) as error:
            await _refuse(send, store_away(error))
        except Exception:
            logger.exception("gateway_failed path=%s", scope["path"])
            await _refuse(send, Problem(500, "internal", "Internal error", "The brain failed; its log says why."))

    return application


def _later() -> Problem:
    detail = "The agents of this key have as much waiting here as is their share. Others go on."
    problem = Problem(429, "share", "Too many at once", detail)
    problem.headers["Retry-After"] = "1"
    return problem


async def _refuse(send: Send, problem: Problem) -> None:
    await _respond(send, problem.status, orjson.dumps(problem.body()), problem.headers, CONTENT_TYPE)


async def _respond(
    send: Send, status: int, body: bytes, more: Mapping[str, str], content_type: str = "application/json"
) -> None:
    headers = {"Content-Type": content_type, "Content-Length": str(len(body)), "Cache-Control": "no-store", **more}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


_ROUTES = {wire.EVENTS_PATH: _answering(_events), wire.COMMANDS_PATH: _answering(_commands)}
