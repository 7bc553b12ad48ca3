"""Each action, tried by the whole cast: the table says who may, and the ledger says what happened."""

from __future__ import annotations

import csv
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.apps import apps

from tests.rbac.invocations import INVOCATIONS, prepare
from z4j_brain.ledger.models import Entry, EntryPrivate
from z4j_brain.ledger.states import Outcome
from z4j_brain.rbac import action
from z4j_brain.rbac.action import REGISTRY, Hidden, Refused
from z4j_brain.rbac.actor import SYSTEM, Actor
from z4j_brain.rbac.models import User

ROWS = Path(__file__).with_name("permissions.csv").read_text().splitlines()
TABLE = {row["action"]: row for row in csv.DictReader(ROWS)}
CAST = ["olive", "adam", "oscar", "vera", "audrey", "stan"]

for app in apps.get_app_configs():
    if app.name.startswith("z4j_brain.") and find_spec(f"{app.name}.actions"):
        import_module(f"{app.name}.actions")


class Crash(Exception):
    pass


@pytest.fixture
def stage(cast):
    prepare(cast)
    return cast


def everything():
    """Every row of the brain, by model."""
    ours = [model for model in apps.get_models() if model.__module__.startswith("z4j_brain.")]
    return {model.__name__: sorted(map(str, model._base_manager.values_list())) for model in ours}


def changed(before):
    """What differs now, besides the ledger."""
    after = everything()
    return {name for name in after if after[name] != before[name]} - {"Entry", "EntryPrivate", "Unsealed"}


def test_every_action_has_its_row_and_its_call():
    assert set(TABLE) == set(REGISTRY) == set(INVOCATIONS)
    assert {name: row["permission"] for name, row in TABLE.items()} == {
        name: info.permission.value for name, info in REGISTRY.items()
    }


@pytest.mark.parametrize("who", CAST)
@pytest.mark.parametrize("name", TABLE)
def test_the_table_decides_and_each_try_leaves_one_entry(stage, name, who):
    actor, expected = stage.actor(who), TABLE[name][who]
    before = everything()

    try:
        INVOCATIONS[name](stage, actor)
        happened = "allow"
    except Refused as refusal:
        happened = "hide" if isinstance(refusal, Hidden) else "refuse"

    entry = Entry.objects.get()
    assert happened == expected
    assert (entry.action, entry.actor_type, entry.actor_id) == (name, "user", str(actor.user.pk))
    assert entry.outcome == (Outcome.ALLOWED if happened == "allow" else Outcome.REFUSED)
    assert b"because" in bytes(EntryPrivate.objects.get().payload)
    assert b"because" not in bytes(entry.body)
    assert not changed(before) or happened == "allow"


@pytest.mark.parametrize("name", TABLE)
def test_a_crash_leaves_nothing(stage, monkeypatch, name):
    who = next((who for who in CAST if TABLE[name][who] == "allow"), None)
    actor = stage.actor(who) if who else SYSTEM

    def crash(*args, **kwargs):
        raise Crash

    monkeypatch.setattr(action.entries, "append", crash)
    before = everything()

    with pytest.raises(Crash):
        INVOCATIONS[name](stage, actor)

    assert not changed(before)
    assert not Entry.objects.exists()


@pytest.mark.parametrize("name", TABLE)
def test_a_disabled_person_may_do_nothing(stage, name):
    who = next((who for who in CAST if TABLE[name][who] == "allow"), "olive")
    actor = stage.actor(who)
    User.objects.filter(pk=actor.user.pk).update(is_active=False)

    with pytest.raises(Hidden):
        INVOCATIONS[name](stage, actor)


@pytest.mark.parametrize("name", ["instance.offer_setup", "user.create", "project.create"])
def test_an_instance_administrator_may_what_concerns_the_instance(stage, name):
    User.objects.filter(username="vera").update(is_staff=True)

    INVOCATIONS[name](stage, stage.actor("vera"))

    assert Entry.objects.get().outcome == Outcome.ALLOWED


def test_nobody_gets_by_without_an_actor(stage):
    with pytest.raises(TypeError):
        REGISTRY["agent_key.mint"].run(stage.production, name="x")
    with pytest.raises(ValueError):
        Actor.of(type("Request", (), {"user": None, "META": {}})())
