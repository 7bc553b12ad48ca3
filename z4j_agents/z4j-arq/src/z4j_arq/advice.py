"""What in a worker's settings will hurt. It reads the worker and the code of its functions, and changes nothing."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from typing import Any, Final

from arq.worker import Worker
from z4j_core.engine import Advice

#: Seconds for which an end must be kept to be looked up, and beyond which a health check says nothing of now.
KEPT: Final = 300
FRESH: Final = 300
#: Seconds after which it is too late to run a job again whose worker was killed.
LATE: Final = 3600
#: Calls that keep a loop from everything else; "" is every call of the module.
_BLOCKING: Final = {("time", "sleep"), ("subprocess", "run"), ("requests", ""), ("urllib", "request"), ("os", "system")}


def advice(worker: Worker) -> Iterator[Advice]:
    for name, function in worker.functions.items():
        if call := blocking_call(function.coroutine):
            yield Advice(
                "blocking-code",
                f"{name} calls {call}: meanwhile this worker runs nothing else, and no timeout or cancel reaches it.",
                "Await something that does not block, or asyncio.to_thread(...).",
            )
    if not worker.allow_abort_jobs:
        yield Advice(
            "abort-off",
            "allow_abort_jobs is off: only the worker that runs a job can cancel it, and Job.abort() waits in vain.",
            "Set allow_abort_jobs = True.",
        )
    yield from _kept(worker)
    yield from _timed(worker)
    if worker.job_deserializer is None:
        yield Advice(
            "pickle",
            "Jobs are pickled: whoever can write to this Redis can run any code in the worker.",
            "Keep Redis behind a password and off the network, or set job_serializer and job_deserializer.",
        )


def _kept(worker: Worker) -> Iterator[Advice]:
    if worker.keep_result_forever:
        yield Advice(
            "results-for-ever",
            "Results, with the arguments of their jobs, are kept in Redis for ever.",
            "Set keep_result to a number of seconds instead of keep_result_forever.",
        )
    elif worker.keep_result_s < KEPT:
        yield Advice(
            "short-results",
            f"arq keeps for {worker.keep_result_s:g} s how a job ended: what went unseen cannot be looked up later.",
            "Set keep_result to an hour.",
        )


def _timed(worker: Worker) -> Iterator[Advice]:
    if worker.in_progress_timeout_s > LATE:
        yield Advice(
            "slow-recovery",
            f"A job whose worker was killed is run again only after {worker.in_progress_timeout_s:.0f} s.",
            "That is the longest of all timeouts: lower it, or give long jobs a worker and a queue of their own.",
        )
    if not worker._job_completion_wait:
        yield Advice(
            "stops-at-once",
            "A worker that is stopped cuts its jobs off, and they are run again from their beginning.",
            "Set job_completion_wait to a little less than the time its supervisor gives it.",
        )
    if not worker.retry_jobs:
        yield Advice(
            "no-retries", "Jobs that are cut off by a stop are not run again.", "Leave retry_jobs as it is, on."
        )
    if worker.health_check_interval > FRESH:
        yield Advice(
            "stale-health",
            f"`arq --check` finds a worker healthy up to {worker.health_check_interval:.0f} s after it died.",
            "Set health_check_interval to 30.",
        )


def blocking_call(coroutine: Any) -> str:
    """The first call in this function's own code that blocks, as its name in the source; "" when none is seen."""
    code = getattr(inspect.unwrap(coroutine), "__code__", None)
    module = ""
    for step in dis.get_instructions(code) if code is not None else ():
        if step.opname == "LOAD_GLOBAL":
            module = str(step.argval)
        elif module and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            name, module = f"{module}.{step.argval}", ""
            if {tuple(name.split(".")), (name.partition(".")[0], "")} & _BLOCKING:
                return name
        else:
            module = ""
    return ""
