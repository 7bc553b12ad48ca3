"""Each action, tried by the whole cast: the table says who may, and the ledger says what happened."""

from __future__ import annotations

import csv
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.apps import apps

from tests.rbac import company
from tests.rbac.company import ACTORS
from tests.rbac.invocations import INVOCATIONS, prepare
from tests.rbac.test_access import undone
from z4j_brain.ledger.models import Entry, EntryPrivate
from z4j_brain.ledger.states import Outcome
from z4j_brain.rbac import action
from z4j_brain.rbac.action import REGISTRY, Hidden, Refused
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.states import Permission

ROWS = Path(__file__).with_name("permissions.csv").read_text().splitlines()
TABLE = {row["action"]: row for row in csv.DictReader(ROWS)}

for app in apps.get_app_configs():
    if app.name.startswith("z4j_brain.") and find_spec(f"{app.name}.actions"):
        import_module(f"{app.name}.actions")


class Crash(Exception):
    pass


@pytest.fixture
def stage(cast):
    prepare(cast)
    company.join(cast)
    return cast


def everything():
    """Every row of the brain, by model."""
    ours = [model for model in apps.get_models() if model.__module__.startswith("z4j_brain.")]
    return {model.__name__: sorted(map(str, model._base_manager.values_list())) for model in ours}


def changed(before):
    """What differs now, besides the ledger."""
    after = everything()
    return {name for name in after if after[name] != before[name]} - {"Entry", "EntryPrivate", "Unsealed"}


def entries():
    return set(Entry.objects.values_list("pk", flat=True))


def tried(stage, name, actor):
    """What became of one call: allow, refuse (they may know of it), or hide."""
    try:
        INVOCATIONS[name](stage, actor)
    except Hidden:
        return "hide"
    except Refused:
        return "refuse"
    return "allow"


def test_every_action_has_its_row_and_its_call():
    assert all(list(row) == ["action", "permission", *ACTORS] and None not in row.values() for row in TABLE.values())
    assert set(TABLE) == set(REGISTRY) == set(INVOCATIONS)
    assert {name: row["permission"] for name, row in TABLE.items()} == {
        name: info.permission.value for name, info in REGISTRY.items()
    }


@pytest.mark.parametrize("name", TABLE)
def test_the_table_decides_and_each_try_leaves_one_entry(stage, name):
    before, known = everything(), entries()
    for who in ACTORS:
        actor = company.actor(stage, who)
        with undone():  # so that nobody finds what somebody before them has done
            happened = tried(stage, name, actor)

            entry = Entry.objects.exclude(pk__in=known).get()
            assert (who, happened) == (who, TABLE[name][who])
            assert (entry.action, entry.actor_type, entry.actor_id) == (name, actor.type, actor.id)
            assert entry.outcome == (Outcome.ALLOWED if happened == "allow" else Outcome.REFUSED)
            assert b"because" in bytes(EntryPrivate.objects.exclude(entry__in=known).get().payload)
            assert b"because" not in bytes(entry.body)
            assert happened == "allow" or not changed(before)


@pytest.mark.parametrize("name", TABLE)
def test_a_crash_leaves_nothing(stage, monkeypatch, name):
    who = next((who for who in ACTORS if TABLE[name][who] == "allow"), None)
    actor = company.actor(stage, who) if who else SYSTEM

    def crash(*args, **kwargs):
        raise Crash

    monkeypatch.setattr(action.entries, "append", crash)
    before, known = everything(), entries()

    with pytest.raises(Crash):
        INVOCATIONS[name](stage, actor)

    assert not changed(before)
    assert entries() == known


def test_the_table_lets_nobody_act_in_a_foreign_place():
    """stan is a stranger, and so is who administers the instance; who is out of force may do nothing at all."""
    inside = {row["action"] for row in TABLE.values() if row["permission"] in Permission.values}

    for name, row in TABLE.items():
        assert {row["dora"], row["expired"]} == {"hide"}, name
        if name in inside:
            assert {row["stan"], row["ines"]} == {"hide"}, name
        else:
            assert row["ci"] in ("refuse", "hide"), name


def test_nobody_gets_by_without_an_actor(stage):
    with pytest.raises(TypeError):
        REGISTRY["agent_key.mint"].run(stage.production, name="x")
    with pytest.raises(ValueError):
        Actor.of(type("Request", (), {"user": None, "META": {}})())
