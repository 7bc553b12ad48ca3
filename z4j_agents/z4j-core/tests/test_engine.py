"""The port tells what an adapter can do, and keeps its troubles from the agent."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from z4j_core import safety
from z4j_core.engine import Answer, Engine, Target, attach, verb
from z4j_core.safety import guard, guarded
from z4j_core.wire import Outcome


class Half(Engine):
    name = "half"

    @verb(note="only on Mondays")
    def retry(self, target, params):
        return Answer(Outcome.DONE, new_task_id=target.new_task_id())


class Broken(Engine):
    name = "broken"

    def cancel(self, target, params):
        raise ConnectionError("redis://:hunter2@cache")


TARGET = Target("t1", "c1", 3)


def test_a_capability_is_an_overridden_verb():
    assert Half().capabilities() == {"retry": {"note": "only on Mondays", "support": "native"}}
    assert Engine().capabilities() == {}


def test_a_verb_that_is_not_overridden_is_answered_with_unsupported():
    assert Half().act("cancel", TARGET, {}).outcome == Outcome.UNSUPPORTED
    assert Half().act("install", TARGET, {}).outcome == Outcome.UNSUPPORTED


def test_a_verb_that_raises_is_answered_with_failed_and_tells_no_data():
    answer = Broken().act("cancel", TARGET, {})
    assert answer.outcome == Outcome.FAILED
    assert "hunter2" not in answer.detail
    assert "ConnectionError" in answer.detail


class Knowing(Engine):
    """`there`: what it knows of the task that a retry makes."""

    name = "knowing"

    def __init__(self, there, error=None):
        self.there, self.error, self.sent = there, error, 0

    def retry(self, target, params):
        self.sent += 1
        if self.error is not None:
            raise self.error
        return Answer(Outcome.DONE, new_task_id=target.new_task_id())

    def landed(self, target):
        if isinstance(self.there, Exception):
            raise self.there
        return self.there


@pytest.mark.parametrize(
    ("there", "outcome", "sent"),
    [
        (True, Outcome.DONE, 0),
        (False, Outcome.DONE, 1),
        (None, Outcome.UNKNOWN, 0),
        (ConnectionError("redis://:hunter2@cache"), Outcome.UNKNOWN, 0),
    ],
)
def test_a_retry_that_was_cut_off_is_sent_again_only_when_it_certainly_was_not_sent(there, outcome, sent):
    engine = Knowing(there)
    answer = engine.act("retry", replace(TARGET, again=True), {})
    assert (answer.outcome, engine.sent) == (outcome, sent)
    assert outcome == Outcome.DONE or TARGET.new_task_id() in answer.detail
    assert "hunter2" not in answer.detail


class ServerTimeout(Exception):
    """As drivers derive their own: not from the errors of Python."""


def wrapped(error, cause):
    try:
        raise error from cause
    except Exception as raised:
        return raised


LOST = [
    TimeoutError("redis://:hunter2@cache"),
    OSError(104, "reset"),
    ServerTimeout(),
    wrapped(RuntimeError("not sent"), ConnectionResetError()),
]


@pytest.mark.parametrize("error", LOST)
@pytest.mark.parametrize(("there", "outcome"), [(True, Outcome.DONE), (False, Outcome.FAILED), (None, Outcome.UNKNOWN)])
def test_a_retry_whose_answer_was_lost_is_what_became_of_its_task_and_unknown_where_nobody_can_tell(
    there, outcome, error
):
    answer = Knowing(there, error).act("retry", TARGET, {})
    assert answer.outcome == outcome
    assert outcome != Outcome.UNKNOWN or TARGET.new_task_id() in answer.detail
    assert "hunter2" not in answer.detail


def test_a_retry_that_never_came_to_be_sent_has_failed_even_where_nobody_can_tell():
    assert Knowing(None, wrapped(TypeError(), KeyError())).act("retry", TARGET, {}).outcome == Outcome.FAILED


def test_a_command_delivered_twice_means_the_same_new_task():
    again = Target("t1", "c1", 3, queue="other")
    assert TARGET.new_task_id() == again.new_task_id()
    assert TARGET.new_task_id() != Target("t1", "c2", 3).new_task_id()


def test_without_an_agent_attaching_does_nothing(monkeypatch):
    monkeypatch.setattr("z4j_core.adapter.AGENT_GROUP", "z4j.nobody")
    assert attach(Half()) is False


def test_the_net_swallows_counts_and_logs_once(caplog):
    safety.failures.clear()

    @guarded("here")
    def fails():
        raise ValueError("hunter2")

    with caplog.at_level(logging.WARNING):
        assert fails() is None
        assert fails() is None
        with guard("there"):
            raise KeyError("hunter2")
    assert safety.failures == {"here": 2, "there": 1}
    assert len(caplog.records) == 2
    assert "hunter2" not in caplog.text


def test_the_net_lets_pass_what_belongs_to_the_host():
    @guarded("here")
    def interrupted():
        raise KeyboardInterrupt

    try:
        interrupted()
    except KeyboardInterrupt:
        return
    raise AssertionError("it was swallowed")
