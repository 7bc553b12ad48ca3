"""A harmless task of ours through the engine and its workers, and how far it got as the brain sees it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from z4j_core import wire
from z4j_core.engine import Engine, Host, Target

from z4j_bare.hop import Hop
from z4j_bare.reach import read
from z4j_bare.transport import Transport, Unreachable

#: Seconds between two questions.
LOOK: Final = 0.5
#: States of a task that a worker has taken.
TAKEN: Final = frozenset({wire.State.RECEIVED, wire.State.STARTED, wire.State.RETRYING})


def hello(engine: Engine, host: Host, transport: Transport, queue: str, seconds: float) -> Iterator[Hop]:
    """Two hops: it was sent, and it came back."""
    name = f"hello {engine.name}"
    if not engine.defines("hello"):
        yield Hop(
            name, True, f"The adapter of {engine.name} has no hello; its workers are not tried.", "", warning=True
        )
        return
    answer = engine.act("hello", Target(command=str(uuid.uuid4()), queue=queue), {"queue": queue} if queue else {})
    host.flush()
    if answer.outcome == wire.Outcome.UNSUPPORTED:
        text = f"No hello can be sent through {engine.name} from here; its workers are not tried. {answer.detail}"
        yield Hop(name, True, text, "Run the doctor on a machine of its workers, or send a task and look for it.", True)
        return
    if answer.outcome not in (wire.Outcome.DONE, wire.Outcome.REQUESTED) or not answer.new_task_id:
        fix = "Does the broker answer, and does this process use the same settings as those that send tasks?"
        yield Hop(name, False, f"A hello could not be sent through {engine.name}. {answer.detail}".rstrip(), fix)
        return
    where = f" to the queue {queue}" if queue else ""
    yield Hop(name, True, f"A hello was sent through {engine.name}{where}; it may take {seconds:.0f} s to be run.")
    yield _follow(name, engine.name, answer.new_task_id, transport, seconds)


def _follow(name: str, engine: str, task_id: str, transport: Transport, seconds: float) -> Hop:
    path = f"{wire.HELLO_PATH}?{urlencode({'engine': engine, 'task_id': task_id})}"
    began, known, refusal = time.monotonic(), dict[str, Any](), "it does not answer"
    while True:
        try:
            reply = transport.get(path)
        except Unreachable:
            refusal = "it does not answer"
        else:
            refusal = "" if reply.status == 200 else f"it answers {reply.status}"
            known = read(reply) if reply.status == 200 else known
        passed = time.monotonic() - began
        if str(known.get("state")) in wire.FINAL or passed >= seconds:
            break
        time.sleep(LOOK)
    if refusal and not known:
        fix = "Try again; a brain that is older than this agent has to be upgraded."
        return Hop(name, False, f"The brain cannot be asked about the hello: {refusal}.", fix)
    return _verdict(name, engine, known, passed)


def _verdict(name: str, engine: str, known: dict[str, Any], passed: float) -> Hop:
    # What the brain says is not trusted to be short, nor to be what it should be.
    state, worker = str(known.get("state")), str(known.get("worker") or "a worker")[: wire.MAX_NAME]
    if state == wire.State.SUCCEEDED:
        return Hop(name, True, f"It was run by {worker} and the brain saw it end, {passed:.1f} s later.")
    if state in wire.FINAL:
        fix = "Its page in the panel says why."
        return Hop(name, False, f"{worker} took it and it ended as {state}, not as succeeded.", fix)
    if not known.get("kinds"):
        fix = "Does this process have the time to send it? Do the workers have the adapter, and the same DSN as here?"
        return Hop(
            name, False, "It was sent, but no event of it reached the brain, neither from here nor a worker.", fix
        )
    if state in TAKEN:
        fix = "The worker may be busy or stuck: look at what it runs in the panel."
        return Hop(name, False, f"{worker} took it and has not finished it after {passed:.0f} s.", fix)
    text = f"The brain knows that it was sent; in {passed:.0f} s no worker told that it took it."
    fix = f"Is a worker of {engine} running, with the adapter installed and the same DSN? Does it serve that queue "
    return Hop(
        name, False, text, f"{fix}(--queue QUEUE), and is it done with what waits before the hello (--seconds N)?"
    )
