"""Whatever people, agents, events and time do to an operation, in whatever order: its sums match, nothing that was
taken back is sent, nobody works on what somebody else has, and an end stays the end.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from z4j_core.engine import Target

from tests import rows, sealed
from tests.cast import Cast
from z4j_brain.lib.problem import Problem
from z4j_brain.operations import actions, expiry, outbox
from z4j_brain.operations.models import Command, Item, Operation
from z4j_brain.operations.states import TERMINAL
from z4j_brain.tasks import actions as tasks
from z4j_brain.tasks.models import Task

OUTCOMES = ("done", "failed", "refused", "unknown")
#: What somebody may still learn the truth of.
DOUBTS = ("unknown", "expired", "set_aside")
PAST = timedelta(seconds=1)


class Steering(RuleBasedStateMachine):
    """A retry of a few tasks, two agents that can do it, and all that may happen."""

    def __init__(self, cast: Cast) -> None:
        super().__init__()
        self.place, self.oscar = cast.production, cast.actor("oscar")
        self.agents = [rows.agent(self.place, verbs=("retry",)) for _ in range(2)]
        self.taken: list[tuple[int, object]] = []
        self.held: dict[int, str] = {}
        self.ends: dict[int, str] = {}
        self.state = ""

    @initialize(
        count=st.integers(2, 6),
        options=st.sampled_from([{}, {"stop_after": 2}, {"stop_after": 1}, {"rate": 1}, {"rate": 1, "delay": 5}]),
    )
    def begin(self, count, options):
        chosen = [rows.task(self.place) for _ in range(count)] + [rows.task(self.place, state="started")]
        ids = [task.pk for task in chosen]
        self.operation = tasks.retry(self.place, ids, options, actor=self.oscar)

    @rule(order=st.sampled_from([[0], [1], [0, 1], [1, 0], [0, 0, 1]]))
    def lease(self, order):
        for agent in order:
            self._lease(agent)

    @rule()
    def lease_all(self):
        for agent in (0, 1) * 3:
            self._lease(agent)

    def _lease(self, agent):
        Operation.objects.exclude(next_at=None).update(next_at=F("next_at") - timedelta(seconds=60))
        before = Operation.objects.get(pk=self.operation.pk)
        for command in sealed.lease(self.agents[agent]):
            assert before.state in ("pending", "running")
            assert not before.cancelled_at
            for target in command["targets"]:
                item = Item.objects.get(pk=target["item"])
                assert item.outcome is None
                assert item.pk not in self.held, "two hold it"
                self.held[item.pk] = command["id"]
            self.taken.append((agent, command))

    @rule(data=st.data())
    def answer(self, data):
        if not self.taken:
            return
        agent, command = data.draw(st.sampled_from(self.taken))
        results = [
            {"item": target["item"], "outcome": data.draw(st.sampled_from(OUTCOMES)), "new_task_id": self._new(target)}
            for target in command["targets"][: data.draw(st.integers(0, 5))]
        ]
        told = {"v": 1, "boot": "", "command": command["id"], "fence": command["fence"], "results": results}
        if outbox.settle(self.agents[agent], told):
            self._let_go(command["id"])

    @rule(data=st.data())
    def hear(self, data):
        """An event tells of the new task of something that was sent."""
        targets = [target | {"command": command["id"]} for _, command in self.taken for target in command["targets"]]
        if targets:
            target = data.draw(st.sampled_from(targets))
            new = Target(target["task_id"], target["command"], target["item"]).new_task_id()
            if not Task.objects.filter(task_id=new).exists():
                rows.task(self.place, task_id=new, state="queued")

    @rule()
    def look_again(self):
        expiry.reconsider()

    @rule(steer=st.sampled_from([actions.pause, actions.resume, actions.resume]))
    def hold_or_go_on(self, steer):
        self._steer(steer)

    @precondition(lambda self: self.taken)
    @rule(steer=st.sampled_from([actions.cancel, actions.undo]))
    def stop(self, steer):
        self._steer(steer)

    def _steer(self, steer):
        try:
            steer(self.operation, actor=self.oscar)
        except Problem as problem:
            assert problem.status == 409

    @rule()
    def let_leases_run_out(self):
        Command.objects.filter(state="leased").update(lease_expires_at=timezone.now() - PAST)
        expiry.expire()
        self.held.clear()

    @precondition(lambda self: len(self.taken) > 1)
    @rule()
    def let_its_time_run_out(self):
        gone = timezone.now() - PAST
        self._own().exclude(state="paused").update(expires_at=gone)
        Command.objects.filter(operation=self.operation).exclude(operation__state="paused").update(expires_at=gone)
        self._own().filter(state="paused").update(paused_at=gone - expiry.PAUSED)
        expiry.expire()
        assert self._own().get().state in TERMINAL
        self.held.clear()

    @invariant()
    def sums_match(self):
        if not hasattr(self, "operation"):
            return
        operation = self._own().get()
        items = list(operation.items.all())
        settled = [item for item in items if item.outcome]
        untried = [item for item in settled if item.left_out or item.outcome == "cancelled"]
        assert operation.total == len(items)
        assert operation.settled == len(settled)
        assert operation.succeeded == sum(item.outcome == "done" for item in items)
        assert operation.not_tried == len(untried)
        assert operation.succeeded + operation.failed + len(untried) == operation.settled
        assert all((item.progress == "settled") is bool(item.outcome) and bool(item.settled_at) for item in settled)
        assert (operation.state in TERMINAL) is (operation.settled == operation.total) is bool(operation.finished_at)
        assert bool(operation.halted) <= (operation.state == "paused" or operation.state in TERMINAL)

    @invariant()
    def an_end_is_the_end(self):
        if not hasattr(self, "operation"):
            return
        ends = {item.pk: item.outcome for item in self.operation.items.exclude(outcome=None)}
        changed = {self.ends[pk] for pk in self.ends if ends.get(pk) != self.ends[pk]}
        assert changed <= set(DOUBTS)
        assert all(ends[pk] == "done" for pk in self.ends if ends.get(pk) != self.ends[pk])
        state = self._own().get().state
        assert self.state not in TERMINAL or state == self.state or (changed and state in TERMINAL)
        self.ends, self.state = ends, state

    def teardown(self):
        Operation.objects.all().delete()
        Task.objects.all().delete()

    def _own(self):
        return Operation.objects.filter(pk=self.operation.pk)

    def _let_go(self, command):
        self.held = {item: by for item, by in self.held.items() if by != command}

    def _new(self, target):
        return f"new-{target['task_id']}"


def test_an_operation_stands_whatever_is_done_to_it(cast):
    run_state_machine_as_test(
        lambda: Steering(cast), settings=settings(max_examples=15, stateful_step_count=20, deadline=None)
    )
