"""Changes of configuration are kept as diffs in the erasable part of an entry, and nowhere else."""

from __future__ import annotations

import json

from auditlog.models import LogEntry
from auditlog.registry import auditlog

from tests.rbac.invocations import INVOCATIONS, prepare
from tests.rbac.invocations_of_views import OF_PEOPLE
from tests.rbac.test_access import undone
from z4j_brain.ledger.models import EntryPrivate
from z4j_brain.rbac import actions
from z4j_brain.rbac.action import REGISTRY
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.models import Environment, Membership, Project, Token, User
from z4j_brain.rbac.states import Permission, Role

#: What only a person does, and whose role lets them.
PERSONAL = {Permission.APPROVE: "olive", Permission.BREAK_GLASS: "olive", Permission.REQUEST: "oscar"}


def private(action):
    return json.loads(bytes(EntryPrivate.objects.filter(entry__action=action).latest("entry_id").payload))


def test_no_action_leaves_a_row_that_would_escape_erasure(cast):
    assert all(model in auditlog.get_models() for model in (User, Project, Environment, Membership, Token))
    prepare(cast)

    for name, call in INVOCATIONS.items():
        with undone():
            who = "olive" if name in OF_PEOPLE else PERSONAL.get(REGISTRY[name].permission)
            call(cast, cast.actor(who) if who else SYSTEM)
            assert not LogEntry.objects.exists(), name
    User.objects.get(username="vera").save()

    assert not LogEntry.objects.exists()


def test_a_change_of_role_says_from_what_to_what(cast):
    actions.set_membership(cast.harbor, cast.user("vera"), Role.OPERATOR, actor=cast.actor("olive"))

    assert private("member.set_role")["diff"] == {"role": ["viewer", "operator"]}


def test_a_new_person_leaves_no_password_in_the_ledger(cast):
    INVOCATIONS["user.create"](cast, SYSTEM)

    assert "argon2" not in str(private("user.create")) and "md5" not in str(private("user.create"))
