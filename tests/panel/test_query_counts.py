"""How often each page, and each GET of the API, asks the store: as queries.csv has it, however much there is.

`Z4J_WRITE_QUERIES=1 python -m pytest tests/panel/test_query_counts.py`, on both stores, writes the baseline anew.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.panel import crowd
from tests.panel.test_tenants import address, pages
from tests.rbac import places
from tests.rbac.places import Furnished
from z4j_brain.rbac.models import Token

BASELINE = Path(__file__).with_name("queries.csv")
STORES = ("sqlite", "postgresql")
WRITE = "Z4J_WRITE_QUERIES"
#: Few are already more than a page of a list has, and than the picture of a workflow draws.
FEW, MANY = 70, 200
#: It counts what is stored, piece by piece, as far as it comes in its time.
TIMED = {("page", "settings")}

#: The kind of an address, a page or of the API, and its name.
Name = tuple[str, str]
Get = Callable[[], Any]


@pytest.fixture
def place(cast):
    """Harbor's production, as olive sees it, who administers the instance, too."""
    olive = cast.user("olive")
    olive.is_staff = True
    olive.save()
    return Furnished.of(cast.production, Token.objects.get(user=olive))


@pytest.fixture
def asked(cast, place):
    """Every address, with what asks for it."""
    queries = {"tasks": "?since=all", "ask": f"?target={place.keys['api-task']}"}
    browser, program = cast.sign_in(Client(), "olive"), Client()
    found: dict[Name, Get] = {}
    for name in pages():
        path = address(name, place) + queries.get(name, "")
        headers = {"HX-Request": "true"} if name == "jump" else {}
        found["page", name] = lambda path=path, headers=headers: browser.get(path, headers=headers)
    for name in places.names():
        path, bearer = place.address(name), cast.bearer("olive")
        found["api", name] = lambda path=path, bearer=bearer: program.get(path, **bearer)
    return {name: get for name, get in found.items() if name not in TIMED}


def test_no_address_asks_the_store_more_often_than_it_did_nor_for_more_rows(place, asked):
    known = {} if os.environ.get(WRITE) else read()
    crowd.furnish(place, range(FEW))
    opened = {name: get for name, get in asked.items() if get().status_code == 200}
    few = {name: least(get, known.get(name)) for name, get in opened.items()}
    crowd.furnish(place, range(FEW, MANY))
    many = {name: least(get, few[name]) for name, get in opened.items()}

    grown = [f"{name[1]}: {few[name]} at {FEW} rows, {many[name]} at {MANY}" for name in few if few[name] != many[name]]
    assert not grown, "\n".join(["These ask once more for each row:", *grown])
    if not known:
        write(few)
    changed = [f"{name[1]}: {few[name]}, not {known[name]}" for name in few if few[name] != known.get(name, few[name])]
    lacking = [f"{name[1]}: not in {BASELINE.name}" for name in few if known and name not in known]
    told = f"Queries have changed. If that is meant, write the baseline anew on both stores, with {WRITE}=1."
    assert not changed + lacking, "\n".join([told, *changed, *lacking])


def least(get: Get, expected: int | None) -> int:
    """The queries of one request; of two where they are others than expected, since a process looks up some things
    every few seconds only, for whoever comes by.
    """
    found = queries(get)
    return found if found == expected else min(found, queries(get))


def queries(get: Get) -> int:
    with CaptureQueriesContext(connection) as captured:
        answer = get()
        if answer.streaming:
            answer.getvalue()
    return len(captured)


def read() -> dict[Name, int]:
    with BASELINE.open() as file:
        return {(row["kind"], row["name"]): int(row[connection.vendor]) for row in csv.DictReader(file)}


def write(counts: dict[Name, int]) -> None:
    """In the column of the store at hand; addresses that are no more go."""
    with BASELINE.open() as file:
        before = {(row["kind"], row["name"]): row for row in csv.DictReader(file)}
    with BASELINE.open("w", newline="") as file:
        writer = csv.DictWriter(file, ("kind", "name", *STORES), lineterminator="\n")
        writer.writeheader()
        for kind, name in sorted(counts):
            known = before.get((kind, name), {})
            mine = {"kind": kind, "name": name, connection.vendor: counts[kind, name]}
            writer.writerow(dict.fromkeys(STORES, 0) | known | mine)
