"""What in Celery's settings will hurt. Read from the app's configuration; no broker is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from z4j_core.engine import Advice, verb

from z4j_celery.sending import Sending

#: Seconds after which kombu's Redis transport hands a message to another worker, unless the settings say otherwise.
VISIBILITY: Final = 3600


class Advised(Sending):
    @verb(note="reads the app's settings, and what tasks it has seen wait for their time")
    def advice(self) -> Iterable[Advice]:
        conf = self.app.conf
        yield from _acknowledgement(conf)
        yield from self._visibility(conf)
        yield from _limits(conf)
        yield from _control(conf, self._has_state_file(conf))
        if self.has_backend():
            yield from _results(conf)
        if "pickle" in conf.accept_content or "application/x-python-serialize" in conf.accept_content:
            yield Advice(
                "pickle",
                "Pickled messages are accepted: whoever can write to the broker can run any code in the workers.",
                "Send JSON and take 'pickle' out of accept_content.",
            )

    def _visibility(self, conf: Any) -> Iterator[Advice]:
        """Redis alone: a message that is not acknowledged in time is given to another worker as well."""
        if not str(conf.broker_url or "").startswith(("redis", "valkey", "sentinel")):
            return
        visible = (conf.broker_transport_options or {}).get("visibility_timeout", VISIBILITY)
        longest = self.hooks.longest_wait if self.hooks is not None else 0
        if longest > visible:
            yield Advice(
                "visibility-eta",
                f"Tasks wait for up to {round(longest)} s for their time, but after {visible} s (visibility_timeout) "
                "Redis hands them to another worker as well: they run twice.",
                "Raise visibility_timeout in broker_transport_options above the longest countdown.",
            )
        if conf.task_acks_late and conf.task_time_limit and conf.task_time_limit > visible:
            yield Advice(
                "visibility-limit",
                f"A task may run for {conf.task_time_limit} s, but after {visible} s (visibility_timeout) Redis hands "
                "it to another worker as well: it runs twice.",
                "Raise visibility_timeout in broker_transport_options above task_time_limit.",
            )

    def _has_state_file(self, conf: Any) -> bool:
        return bool(conf.worker_state_db or getattr(getattr(self.consumer, "controller", None), "statedb", None))


def _acknowledgement(conf: Any) -> Iterator[Advice]:
    if conf.task_reject_on_worker_lost and not conf.task_acks_late:
        yield Advice(
            "reject-without-late",
            "task_reject_on_worker_lost does nothing without task_acks_late: a task is acknowledged before it runs, "
            "and one whose process dies is gone.",
            "Set task_acks_late, if tasks may run twice.",
        )
    if conf.task_acks_late and not conf.task_reject_on_worker_lost:
        yield Advice(
            "late-without-reject",
            "Tasks are acknowledged late, but one whose process dies is acknowledged all the same and does not run "
            "again.",
            "Set task_reject_on_worker_lost, if a task that kills its process may be tried again.",
        )
    if conf.worker_prefetch_multiplier == 0:
        yield Advice(
            "prefetch-unlimited",
            "A worker takes as many messages as it gets: all others stand idle, and it holds them in memory.",
            "Set worker_prefetch_multiplier to 1, or to 4 for very short tasks.",
        )
    elif conf.task_acks_late and conf.worker_prefetch_multiplier > 1:
        yield Advice(
            "prefetch",
            f"Each process holds {conf.worker_prefetch_multiplier} messages: short tasks wait behind long ones while "
            "other workers stand idle.",
            "Set worker_prefetch_multiplier to 1.",
        )


def _limits(conf: Any) -> Iterator[Advice]:
    if not conf.task_time_limit and not conf.task_soft_time_limit:
        yield Advice(
            "no-time-limit",
            "No time limit is set: a task that hangs holds its process for ever.",
            "Set task_time_limit, and task_soft_time_limit a little below it.",
        )


def _control(conf: Any, has_state_file: bool) -> Iterator[Advice]:
    if not conf.worker_enable_remote_control:
        yield Advice(
            "no-remote-control",
            "Remote control is off: no task can be cancelled, and no worker asked what it holds.",
            "Set worker_enable_remote_control.",
        )
    elif not has_state_file:
        yield Advice(
            "no-state-file",
            "Workers forget revoked tasks when they restart. z4j remembers those that were cancelled through it, and "
            "no others.",
            "Give workers --statedb with a file of their own.",
        )


def _results(conf: Any) -> Iterator[Advice]:
    if not conf.result_expires:
        yield Advice(
            "results-for-ever",
            "Results are kept for ever: the result backend grows until it is full.",
            "Set result_expires to the seconds for which somebody may ask.",
        )
    if not conf.result_extended:
        yield Advice(
            "result-not-extended",
            "The result backend keeps no names and arguments: a task whose message is no longer kept here cannot be "
            "retried.",
            "Set result_extended, if arguments may lie in the result backend.",
        )
    if not conf.task_track_started:
        yield Advice(
            "started-not-tracked",
            "The result backend calls a task that runs PENDING, as it does one that nobody ever sent.",
            "Set task_track_started.",
        )
