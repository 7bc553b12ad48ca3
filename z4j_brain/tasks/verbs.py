"""What can be asked for tasks."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac.states import Permission
from z4j_brain.tasks.options import Arguments, Moving, Revealing, Running

KIND = "task"
#: A task name that workers know.
REGISTERED = "registered"
#: An engine is the target of a hello.
ENGINE = "engine"

RETRY = Verb(
    "task.retry",
    "retry",
    KIND,
    Permission.RETRY,
    gettext_lazy("Retry"),
    gettext_lazy("Each becomes a new task with the same arguments in the same queue, linked to the old one."),
    done=gettext_lazy("Retried"),
    stays=gettext_lazy("Keep as they are"),
    icon="rotate-cw",
    undoable=True,
)
RETRY_WITH = Verb(
    "task.retry_with",
    "retry_with",
    KIND,
    Permission.RUN,
    gettext_lazy("Retry with changes"),
    gettext_lazy(
        "Each becomes a new task with the arguments given here, in the queue of the old one and linked to it."
    ),
    done=gettext_lazy("Retried"),
    stays=gettext_lazy("Keep as they are"),
    icon="rotate-cw",
    options=Arguments,
    undoable=True,
)
CANCEL = Verb(
    "task.cancel",
    "cancel",
    KIND,
    Permission.CANCEL,
    gettext_lazy("Cancel"),
    gettext_lazy(
        "Queued tasks are dropped when a worker reaches them, running ones are stopped. The worker confirms each."
    ),
    done=gettext_lazy("Cancelled"),
    stays=gettext_lazy("Let them run"),
    icon="ban",
    danger=True,
)
REQUEUE = Verb(
    "task.requeue",
    "requeue",
    KIND,
    Permission.RETRY,
    gettext_lazy("Requeue"),
    gettext_lazy("What the engine gave up and still keeps goes back into its queue, under its own id."),
    done=gettext_lazy("Requeued"),
    stays=gettext_lazy("Leave them there"),
    icon="undo-2",
)
MOVE = Verb(
    "task.move",
    "move",
    KIND,
    Permission.MANAGE_QUEUES,
    gettext_lazy("Move"),
    gettext_lazy("Each is taken out of the queue it waits in and put into another, under its own id."),
    done=gettext_lazy("Moved"),
    stays=gettext_lazy("Leave them there"),
    icon="arrow-right",
    options=Moving,
)
#: By the command `z4j reveal`: no page offers it.
REVEAL = Verb(
    "task.reveal",
    "reveal",
    KIND,
    Permission.REVEAL,
    gettext_lazy("Reveal"),
    gettext_lazy(
        "A worker that has the key, and whose owner allows it, encrypts the sealed original to whoever asks: once."
    ),
    done=gettext_lazy("Revealed"),
    stays=gettext_lazy("Keep it sealed"),
    icon="eye",
    options=Revealing,
    danger=True,
    fresh=True,
    sole=True,
)
RUN = Verb(
    "task.run",
    "run",
    REGISTERED,
    Permission.RUN,
    gettext_lazy("Run"),
    gettext_lazy("A new task of this name goes into its queue, with the arguments given here."),
    done=gettext_lazy("Run"),
    stays=gettext_lazy("Do not run it"),
    icon="play",
    options=Running,
    undoable=True,
)
HELLO = Verb(
    "engine.hello",
    "hello",
    ENGINE,
    Permission.MANAGE_AGENTS,
    gettext_lazy("Send a hello"),
    gettext_lazy("A worker of each engine sends a harmless task of ours, the way of every task."),
)
#: Those that make another task of a task.
COPIES = (RETRY.name, RETRY_WITH.name)
#: What a list of tasks offers for all that is on it.
BULK = (RETRY, RETRY_WITH, CANCEL, REQUEUE, MOVE)
ALL = (RETRY, RETRY_WITH, CANCEL, REQUEUE, MOVE, REVEAL, RUN, HELLO)
