"""Workers say which tasks they know: what makes sense is kept, and what nobody says any more goes in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows
from tests import wire as sent
from z4j_brain.fleet import ingest as fleet
from z4j_brain.fleet import queries
from z4j_brain.fleet.models import Registered
from z4j_brain.tasks.ingest import ingest

HERE = "/api/v1/harbor/production/registered/"
PAY = [["order", "e", True], ["currency", "k", False]]


@pytest.fixture
def tell(cast):
    """A worker starts and says what it knows."""
    seq = iter(range(1, 100))

    def tell(*tasks, engine="celery", **more):
        number = next(seq)
        data = {"started": number, "queues": [], "tasks": list(tasks)} | more
        event = {"seq": number, "kind": "worker.online", "ts": sent.now(), "engine": engine, "worker": "w"}
        ingest(cast.agent_key(), sent.parsed(event | {"data": data}, boot=sent.BOOT))

    return tell


def test_a_name_is_known_with_its_parameters_until_a_worker_says_otherwise(tell, cast):
    tell({"name": "shop.pay", "params": PAY, "idempotent": True}, {"name": "shop.mail"})

    pay = queries.registered(cast.production, "celery", "shop.pay")
    assert (pay.params, pay.idempotent) == (PAY, True)
    assert queries.registered(cast.production, "celery", "shop.mail").params is None
    assert queries.registered(cast.production, "rq", "shop.pay") is None
    assert queries.registered(cast.island, "celery", "shop.pay") is None

    tell({"name": "shop.pay", "params": [["order", "e", True]]})

    pay.refresh_from_db()
    assert (pay.params, pay.idempotent) == ([["order", "e", True]], False)


@pytest.mark.parametrize(
    "entry", [None, "shop.pay", {}, {"name": ""}, {"name": 7}, {"name": "x" * 513}, {"params": PAY}, ["shop.pay"]]
)
def test_an_entry_that_makes_no_sense_is_not_kept_and_harms_no_other(tell, entry):
    tell(entry, {"name": "shop.mail"})

    assert [row.name for row in Registered.objects.all()] == ["shop.mail"]


@pytest.mark.parametrize(
    "params",
    ["order", [["order"]], [["order", "x", True]], [["order", "e", 1]], [[7, "e", True]], [["a", ["e"], True]]],
)
def test_half_a_signature_is_none(tell, params):
    tell({"name": "shop.pay", "params": params})

    assert Registered.objects.get().params is None


def test_one_engine_has_so_many_names_and_no_more(tell, monkeypatch):
    monkeypatch.setattr(fleet, "MOST_NAMES", 2)
    tell({"name": "a"}, {"name": "b"}, {"name": "c"})
    tell({"name": "b", "idempotent": True}, {"name": "d"})
    tell({"name": "z"}, engine="rq")

    assert set(Registered.objects.values_list("name", "idempotent")) == {("a", False), ("b", True), ("z", False)}


def test_a_name_goes_a_month_after_the_last_worker_that_said_it_unless_that_one_still_runs(tell, cast):
    tell({"name": "shop.pay"})
    later = timezone.now() + fleet.NAMES_KEPT + timedelta(days=1)
    steady = rows.worker(cast.production, name="steady", started_at=timezone.now(), heartbeat_at=later)

    fleet.prune(later)
    assert Registered.objects.count() == 1

    steady.offline_at = later
    steady.save()
    fleet.prune(later)
    assert Registered.objects.count() == 0


def test_the_names_are_listed(client, cast, tell):
    tell({"name": "shop.pay", "params": PAY}, {"name": "shop.mail"})

    def names(**query):
        found = client.get(HERE, query, **cast.bearer("vera")).json()["results"]
        return {row["name"]: row["params"] for row in found}

    assert set(names()) == {"shop.pay", "shop.mail"}
    order = {"name": "order", "kind": "e", "required": True}
    assert names(name="shop.pay", engine="celery")["shop.pay"][0] == order
    assert names(engine="rq") == {}
    assert client.get(HERE, {"nome": "x"}, **cast.bearer("vera")).status_code == 400
