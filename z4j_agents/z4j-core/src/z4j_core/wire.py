"""The wire between agents and the brain: versions, limits, kinds, states and the shape of every message.

This is the only module that knows versions and encodings. All times are integers: microseconds since the Unix epoch,
UTC, by the sender's clock. `docs/reference/protocol.md` is generated from it.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final, TypedDict

from z4j_core.enums import StrEnum
from z4j_core.policy import Policy
from z4j_core.sealed import Sealed

if sys.version_info >= (3, 11):
    from typing import NotRequired

VERSION: Final = 1
#: Versions the brain serves: the newest and the one before.
SERVED: Final = (1,)

EVENTS_PATH: Final = "/agent/v1/events"
COMMANDS_PATH: Final = "/agent/v1/commands"
RESULTS_PATH: Final = "/agent/v1/results"
KEYS_PATH: Final = "/agent/v1/keys"
#: Of a log, that it begins with what it was before: ?origin=...&old=...&new=..., two sizes; answered with a Log.
LOG_PATH: Final = "/agent/v1/log"
#: What the brain knows of a hello: ?engine=...&task_id=...; answered for tasks of ours alone.
HELLO_PATH: Final = "/agent/v1/tasks"
#: How an adapter names the task that its `hello` sends: as the engine writes names, z4j at its beginning.
HELLO_NAME: Final = re.compile(r"z4j[\w.:-]*hello")

#: How often an agent has sent this very batch, 1 at first. A batch that comes again is watched: if the brain dies over
#: it, its events are taken one by one, and one that fails `ISOLATE_AFTER` times by itself is set aside.
TRIES_HEADER: Final = "z4j-tries"
ISOLATE_AFTER: Final = 3

MAX_EVENTS: Final = 500
MAX_BODY: Final = 1024 * 1024
MAX_RAW: Final = 8 * 1024 * 1024
MAX_EVENT: Final = 32 * 1024
MAX_STRING: Final = 16 * 1024
MAX_DEPTH: Final = 32
MAX_NODES: Final = 2000
MAX_TARGETS: Final = 500
MAX_WAIT: Final = 30
MAX_ARGUMENTS: Final = 4096
MAX_RESULT: Final = 4096
MAX_MESSAGE: Final = 2048
MAX_TRACEBACK: Final = 16 * 1024
MAX_NAME: Final = 512
MAX_ID: Final = 255


class Kind(StrEnum):
    """What an event says. Unknown kinds are kept and change nothing."""

    TASK_ENQUEUED = "task.enqueued"
    TASK_RECEIVED = "task.received"
    TASK_STARTED = "task.started"
    TASK_PROGRESS = "task.progress"
    TASK_SUCCEEDED = "task.succeeded"
    TASK_FAILED = "task.failed"
    TASK_RETRYING = "task.retrying"
    TASK_CANCELLED = "task.cancelled"
    TASK_EXPIRED = "task.expired"
    TASK_REJECTED = "task.rejected"
    TASK_SKIPPED = "task.skipped"
    TASK_DEAD_LETTERED = "task.dead_lettered"
    TASK_LOST = "task.lost"
    WORKER_ONLINE = "worker.online"
    WORKER_HEARTBEAT = "worker.heartbeat"
    WORKER_OFFLINE = "worker.offline"
    QUEUE_SNAPSHOT = "queue.snapshot"
    SCHEDULE_TOLD = "schedule.told"
    SCHEDULE_GONE = "schedule.gone"
    SCHEDULE_LISTED = "schedule.listed"
    SCHEDULE_FIRED = "schedule.fired"
    SCHEDULE_SKIPPED = "schedule.skipped"
    SCHEDULER_HEARTBEAT = "scheduler.heartbeat"
    AGENT_ONLINE = "agent.online"
    AGENT_HEARTBEAT = "agent.heartbeat"
    AGENT_OFFLINE = "agent.offline"


class State(StrEnum):
    """What a task can be. The number behind each in `RANK` orders events inside one run of one attempt."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RECEIVED = "received"
    STARTED = "started"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DEAD_LETTERED = "dead_lettered"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    LOST = "lost"


#: States that end a task; only a newer run or a higher attempt opens it again.
FINAL: Final = frozenset({
    State.SUCCEEDED, State.FAILED, State.DEAD_LETTERED, State.CANCELLED,
    State.EXPIRED, State.REJECTED, State.SKIPPED, State.LOST,
})  # fmt: skip

RANK: Final[dict[State, int]] = {
    State.SCHEDULED: 5, State.QUEUED: 10, State.RECEIVED: 20, State.STARTED: 30, State.RETRYING: 35,
} | dict.fromkeys(FINAL, 100)  # fmt: skip


class Source(StrEnum):
    LIVE = "live"
    RECONCILE = "reconcile"
    ACTION = "action"


class Reason(StrEnum):
    """Why a task failed, beyond its exception."""

    EXCEPTION = "exception"
    TIMEOUT = "timeout"
    WORKER_LOST = "worker_lost"
    UNKNOWN_TASK = "unknown_task"


class Error(TypedDict):
    type: str
    message: str
    traceback: NotRequired[str]
    reason: NotRequired[str]


class Event(TypedDict):
    """One fact. `seq` is given by the spool; (boot, seq) is the event's identity. Everything else may be absent.

    `run` is the time at which the run started that this event belongs to; null before a run starts. `args`, `kwargs`
    and `result` are redacted text, never data. `data` carries what a worker or an agent says of itself.
    """

    seq: int
    kind: str
    ts: int
    engine: NotRequired[str]
    task_id: NotRequired[str]
    name: NotRequired[str]
    queue: NotRequired[str]
    worker: NotRequired[str]
    attempt: NotRequired[int]
    max_attempts: NotRequired[int]
    run: NotRequired[int | None]
    priority: NotRequired[int]
    root_id: NotRequired[str]
    parent_id: NotRequired[str]
    group_id: NotRequired[str]
    trace_id: NotRequired[str]
    retry_of: NotRequired[str]
    schedule: NotRequired[str]
    eta: NotRequired[int]
    expires: NotRequired[int]
    args: NotRequired[str]
    kwargs: NotRequired[str]
    result: NotRequired[str]
    runtime_ms: NotRequired[float]
    error: NotRequired[Error]
    progress: NotRequired[dict[str, Any]]
    vault: NotRequired[str]
    sealed: NotRequired[Sealed]
    source: NotRequired[str]
    truncated: NotRequired[list[str]]
    data: NotRequired[dict[str, Any]]


class QueueFacts(TypedDict):
    """The `data` of queue.snapshot. A number nobody can know is absent; `exact` is False where it may be off.

    `depth` waits and may be taken now, `delayed` waits for its time, `in_flight` is taken and not finished (prefetched
    or running), `dead` is given up by the engine and kept. `oldest` is when the oldest waiting message was sent.
    """

    name: str
    depth: int
    delayed: NotRequired[int]
    in_flight: NotRequired[int]
    dead: NotRequired[int]
    consumers: NotRequired[int]
    oldest: NotRequired[int]
    paused: NotRequired[bool]
    exact: NotRequired[bool]


class Identity(TypedDict):
    """Who sends: the first thing the brain learns of an agent, repeated in each batch."""

    name: str
    host: str
    pid: int
    role: str


class Batch(TypedDict):
    """The body of POST events (JSON, gzip). Frozen at first send; `first` is the seq of its first event."""

    v: int
    boot: str
    first: int
    agent: Identity
    events: list[Event]


class Rejected(TypedDict):
    seq: int
    code: str


class Answer(TypedDict):
    """The answer to a batch, after commit. What is in neither list was accepted."""

    accepted: int
    duplicates: list[int]
    rejected: list[Rejected]
    time: int


class Signed(TypedDict):
    """Canonical JSON in base64, the id of the key and its Ed25519 signature (base64) over `DOMAIN + body`."""

    body: str
    kid: str
    sig: str


#: As the query of a poll says it: what an agent remembers of the log, and the policy that it applies, "" for none.
ORIGIN_QUERY: Final = "origin"
SIZE_QUERY: Final = "size"
POLICY_QUERY: Final = "policy"

COMMAND_DOMAIN: Final = b"z4j/command/v1\0"
KEYS_DOMAIN: Final = b"z4j/keys/v1\0"


class Keys(TypedDict):
    """The body that the instance root signs: the keys in force, by id, each 32 bytes in base64.

    `recovery` is kept offline: it signs the first checkpoint of a log that had to begin anew.
    """

    v: int
    action: dict[str, str]
    log: dict[str, str]
    issued: int
    recovery: NotRequired[dict[str, str]]


class Proof(TypedDict):
    """That what a command may do stands in the log: the entry's bytes, where they stand, and under which checkpoint.

    `entry` and each hash of `path` are base64, `checkpoint` is a signed note (C2SP), `statement` is the canonical JSON
    (base64) of what the command may do. `commands` in the entry is the root (hex) of the tree over the statements of
    the operation; this one has the `number` among `count`, and `way` (base64) leads from it to that root.
    """

    entry: str
    index: int
    path: list[str]
    checkpoint: str
    statement: str
    number: int
    count: int
    way: list[str]


class Log(TypedDict):
    """The newest checkpoint of the log, a signed note, and the proof (base64) that it begins with what was remembered.

    Nothing is remembered: the proof is empty. The origin is another one, since the log began anew: `first` is the
    note of its first checkpoint, and the proof is that the newest begins with that. Where somebody asked how it goes on
    between two sizes, `root` is the root (base64) it had at the old one: if that is not the one that the agent knows,
    it proves together with the proof and the signed checkpoint of the new size that there are two logs.
    """

    checkpoint: str
    proof: list[str]
    first: NotRequired[str]
    root: NotRequired[str]


class Target(TypedDict):
    """One target of a command: a task, or a queue, or a worker (`task_id` is "" then). `vault` says who keeps the
    originals; `sealed` is one.
    """

    item: int
    task_id: str
    name: NotRequired[str]
    queue: NotRequired[str]
    worker: NotRequired[str]
    vault: NotRequired[str]
    sealed: NotRequired[Sealed]


class Command(TypedDict):
    """The body of a signed command. `audience` is the boot it was leased to; `fence` grows with each lease.

    `held_by`: the boots it was leased to before, the last one last, as far back as the brain knows; absent: anybody may
    have had it. `params`: of `run_each`, {"each": {...}}, those of `run` by item, as text.
    """

    v: int
    id: str
    operation: str
    project: str
    environment: str
    engine: str
    verb: str
    audience: str
    fence: int
    issued: int
    expires: int
    targets: list[Target]
    params: dict[str, Any]
    held_by: NotRequired[list[str]]
    proof: NotRequired[Proof]


class Outcome(StrEnum):
    """What an agent answers about one target. `requested`: accepted by the engine, a later event confirms it.

    `unknown`: whoever was to carry it out was cut off in the act, or lost the broker over it, and nobody can tell
    whether it took effect. It is never repeated by itself; a brain from before this outcome counts it as failed.
    """

    DONE = "done"
    REQUESTED = "requested"
    ALREADY_FINAL = "already_final"
    ARGS_UNAVAILABLE = "args_unavailable"
    NOT_FOUND = "not_found"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"
    SET_ASIDE = "set_aside"
    UNKNOWN = "unknown"


class Result(TypedDict):
    """`revealed`: the original of a task, encrypted to whoever asked for it (see `z4j_core.revealed`), in base64."""

    item: int
    outcome: str
    detail: NotRequired[str]
    code: NotRequired[str]
    new_task_id: NotRequired[str]
    revealed: NotRequired[str]


class Results(TypedDict):
    """The body of POST results (JSON)."""

    v: int
    boot: str
    command: str
    fence: int
    results: list[Result]


class Look(TypedDict):
    """A task that has looked stuck for a while: the agent asks the engine's own store and reports what that says.

    `state` is what the brain takes it for: what only says the same again is not reported. `orphan`: no live worker has
    claimed the task for so long that, when the store knows nothing either, it is lost.
    """

    engine: str
    task_id: str
    name: NotRequired[str]
    queue: NotRequired[str]
    state: NotRequired[str]
    attempt: NotRequired[int]
    run: NotRequired[int | None]
    orphan: bool


class Poll(TypedDict):
    """The answer to GET commands?boot=...&wait=...&v=1[,0][&origin=...&size=...][&policy=...]. `look` asks for facts,
    not for acts: it is not signed. `origin` and `size` name the checkpoint of the log that the agent remembers; `log`
    goes on there. `redaction` is left out when it is the one that the agent applies: that can only hide more.
    """

    v: int
    commands: list[Signed]
    look: NotRequired[list[Look]]
    log: NotRequired[Log]
    redaction: NotRequired[Policy]
    time: int
