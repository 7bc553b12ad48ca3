"""What can be asked for queues and workers."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from z4j_brain.fleet.options import Autoscaling, RateLimit, Resizing, TimeLimit
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac.states import Permission

QUEUE, WORKER, REGISTERED = "queue", "worker", "registered"
#: Workers, where not all that take from a queue are meant; nobody but the brain itself chooses so.
ONLY = "workers"

PAUSE = Verb(
    "queue.pause",
    "pause",
    QUEUE,
    Permission.MANAGE_QUEUES,
    gettext_lazy("Pause"),
    gettext_lazy("Its workers take nothing more from it, also after a restart. What they have they finish."),
    stays=gettext_lazy("Keep it running"),
    icon="circle-pause",
    bound=True,
)
RESUME = Verb(
    "queue.resume",
    "resume",
    QUEUE,
    Permission.MANAGE_QUEUES,
    gettext_lazy("Resume"),
    gettext_lazy("Its workers take from it again."),
    stays=gettext_lazy("Keep it paused"),
    icon="play",
    bound=True,
)
PURGE = Verb(
    "queue.purge",
    "purge",
    QUEUE,
    Permission.PURGE,
    gettext_lazy("Purge"),
    gettext_lazy("What waits in it is thrown away. That cannot be taken back."),
    stays=gettext_lazy("Keep what waits"),
    icon="trash-2",
    danger=True,
    typed=True,
    fresh=True,
)
GROW = Verb(
    "worker.grow",
    "grow",
    WORKER,
    Permission.MANAGE_WORKERS,
    gettext_lazy("Add slots"),
    gettext_lazy("The worker runs more tasks at once, until it is restarted."),
    options=Resizing,
    bound=True,
)
SHRINK = Verb(
    "worker.shrink",
    "shrink",
    WORKER,
    Permission.MANAGE_WORKERS,
    gettext_lazy("Take slots"),
    gettext_lazy("The worker runs fewer tasks at once, until it is restarted. What runs is finished."),
    options=Resizing,
    bound=True,
)
AUTOSCALE = Verb(
    "worker.autoscale",
    "autoscale",
    WORKER,
    Permission.MANAGE_WORKERS,
    gettext_lazy("Set autoscaling"),
    gettext_lazy("The worker keeps its slots between two numbers."),
    options=Autoscaling,
    bound=True,
)
RESTART_POOL = Verb(
    "worker.restart_pool",
    "restart_pool",
    WORKER,
    Permission.MANAGE_WORKERS,
    gettext_lazy("Restart the pool"),
    gettext_lazy("The processes that run tasks are replaced; the worker itself stays."),
    stays=gettext_lazy("Keep it running"),
    bound=True,
    danger=True,
)
RESTART = Verb(
    "worker.restart",
    "restart",
    WORKER,
    Permission.MANAGE_WORKERS,
    gettext_lazy("Restart"),
    gettext_lazy("The worker finishes what it has, ends, and comes back by itself."),
    stays=gettext_lazy("Keep it running"),
    icon="rotate-cw",
    bound=True,
    danger=True,
)
STOP = Verb(
    "worker.stop",
    "stop",
    WORKER,
    Permission.MANAGE_WORKERS,
    gettext_lazy("Stop"),
    gettext_lazy("The worker finishes what it has and ends. Coming back is its supervisor's business."),
    stays=gettext_lazy("Keep it running"),
    bound=True,
    danger=True,
)
RATE_LIMIT = Verb(
    "worker.rate_limit",
    "rate_limit",
    WORKER,
    Permission.MANAGE_WORKERS,
    gettext_lazy("Set a rate limit"),
    gettext_lazy("The worker starts no more than so many tasks of one name."),
    options=RateLimit,
    bound=True,
)
TIME_LIMIT = Verb(
    "worker.time_limit",
    "time_limit",
    WORKER,
    Permission.MANAGE_WORKERS,
    gettext_lazy("Set a time limit"),
    gettext_lazy("The worker ends tasks of one name that run longer."),
    options=TimeLimit,
    bound=True,
)
ALL = (PAUSE, RESUME, PURGE, GROW, SHRINK, AUTOSCALE, RESTART_POOL, RESTART, STOP, RATE_LIMIT, TIME_LIMIT)
