"""What a worker tells of its tasks: what they take, never a value, and no more than an event holds."""

from __future__ import annotations

import functools
import inspect
import json

import pytest
from z4j_core import idempotent, registered
from z4j_core.wire import MAX_EVENT, MAX_NODES


def charge(order, /, customer, *rest, key="hunter2", **options): ...


def test_parameters_are_told_by_name_and_kind_and_defaults_are_not():
    told = registered.describe("shop.charge", charge)
    assert told["params"] == [
        ["order", "p", True], ["customer", "e", True], ["rest", "a", False], ["key", "k", False],
        ["options", "w", False],
    ]  # fmt: skip
    assert "hunter2" not in json.dumps(told)


def test_what_the_engine_gives_is_left_out():
    def job(ctx, name, session): ...

    def is_given(parameter: inspect.Parameter) -> bool:
        return parameter.name == "session"

    assert registered.describe("job", job, context=True, given=is_given)["params"] == [["name", "e", True]]
    assert registered.describe("job", lambda self, x: x)["params"] == [["x", "e", True]]


def test_of_a_function_that_cannot_be_read_the_name_alone_is_told():
    assert registered.describe("shop.c", None) == {"name": "shop.c"}
    assert registered.describe("shop.c", iter) == {"name": "shop.c"}


def test_a_task_is_idempotent_when_it_or_what_it_wraps_was_marked():
    @functools.wraps(idempotent(lambda x: x))
    def outer(x): ...

    class Task:
        run = charge

    assert registered.describe("outer", outer)["idempotent"] is True
    assert registered.describe("task", Task.run, idempotent(Task()))["idempotent"] is True
    assert "idempotent" not in registered.describe("charge", charge)
    assert idempotent(7) == 7, "what cannot be marked is left alone"


@pytest.mark.parametrize("length", [20, 500])
def test_as_many_tasks_are_told_as_an_event_holds(length):
    names = (f"{number:04}{'x' * length}" for number in range(900))
    told = registered.fitted(registered.describe(name, idempotent(lambda a, b: a)) for name in names)
    assert 30 < len(told) <= registered.MOST
    assert told == sorted(told, key=lambda task: task["name"])
    assert len(json.dumps(told)) < MAX_EVENT
    assert sum(map(registered._nodes, told)) < MAX_NODES


def test_parameters_are_left_out_where_there_is_no_room_before_names_are():
    told = registered.fitted(registered.describe(f"{number:03}", lambda a, b: a) for number in range(300))
    assert len(told) == 300
    assert "params" in told[0]
    assert "params" not in told[-1]
