"""Two people who approve the same requests at the same time, each in a process, and what came of it."""

from __future__ import annotations

import time
from functools import partial

import django

if __name__ == "__main__":
    django.setup()

from tests import rows  # noqa: E402
from tests.operations.contenders import apart, say  # noqa: E402
from z4j_brain.fleet import actions as fleet  # noqa: E402
from z4j_brain.ledger.models import Entry  # noqa: E402
from z4j_brain.lib.problem import Problem  # noqa: E402
from z4j_brain.operations import actions  # noqa: E402
from z4j_brain.operations.models import Operation  # noqa: E402
from z4j_brain.rbac import guardian_rows  # noqa: E402
from z4j_brain.rbac.actor import Actor  # noqa: E402
from z4j_brain.rbac.models import Approval, ApprovalPolicy, Environment, Membership, User  # noqa: E402
from z4j_brain.rbac.states import Role  # noqa: E402

PEOPLE = ("olive", "oscar")
REQUESTS = 8


def someone(name: str) -> Actor:
    """Somebody who has just signed in."""
    return Actor.of_user(User.objects.get(username=name), proofs={"password": int(time.time())})


def prepare() -> None:
    """Requests of adam, and another two who may approve."""
    place = Environment.objects.select_related("project").get(project__slug="harbor", slug="production")
    ApprovalPolicy.objects.all().delete()
    oscar = User.objects.get(username="oscar")
    Membership.objects.filter(user=oscar).update(role=Role.ADMIN)
    guardian_rows.rewrite(oscar, place.project)
    rows.agent(place, verbs=("purge",))
    adam = someone("adam")
    for number in range(REQUESTS):
        fleet.purge(place, [rows.queue(place, name=f"queue-{number}").pk], actor=adam)


def agree(name: str, start: float) -> None:
    actor = someone(name)
    waiting = list(Operation.objects.select_related("environment__project").order_by("id"))
    time.sleep(max(0.0, start - time.time()))
    for operation in waiting:
        try:
            say({"approved": str(actions.approve(operation, actor=actor).pk)})
        except Problem as problem:
            say({"late": problem.code})


def tell() -> None:
    states = Operation.objects.values_list("state", flat=True)
    given = [len(one) for one in Approval.objects.values_list("given", flat=True)]
    entries = Entry.objects.filter(action="operation.approve", outcome="allowed").count()
    say({"states": list(states), "given": given, "entries": entries})


if __name__ == "__main__":
    apart(prepare)
    start = time.time() + 1
    apart(*(partial(agree, name, start) for name in PEOPLE))
    apart(tell)
