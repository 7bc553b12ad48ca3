"""A Django project whose engines are found by themselves: what its web server sends, and what its workers run."""

from __future__ import annotations

import shutil

import pytest
from project import Shop
from z4j_core.testing.recording import wait_for
from z4j_core.testing.sink import listening

PRELOADED = "-m gunicorn --preload --workers 2 --bind 127.0.0.1:{port} shop.wsgi"
THREADED = "-m gunicorn --workers 1 --threads 4 --bind 127.0.0.1:{port} shop.wsgi"
RUNSERVER = "-m django runserver 127.0.0.1:{port}"
#: How each engine's worker is started in a Django project.
WORKERS = {
    "celery": "-m celery -A shop worker --pool solo --concurrency 1",
    "djangotasks": "-m django db_worker --interval 0.2 --no-startup-delay",
    "dramatiq": "-m django rundramatiq --processes 1 --threads 1",
    "huey": "-m django run_huey",
    "rq": "-m django rqworker default",
}
ALL = " ".join(WORKERS)


@pytest.fixture
def sink():
    with listening() as sink:
        yield sink


@pytest.fixture(scope="module")
def migrated(broker, tmp_path_factory):
    """The folder of a project whose database is ready."""
    shop = Shop(broker, tmp_path_factory.mktemp("migrated"))
    assert shop.manage("migrate", "-v", "0", SHOP_ENGINES=ALL)[0] == 0
    return shop.folder


@pytest.fixture
def connected(shop, sink, migrated):
    shop.environ |= {"SHOP_ENGINES": ALL, "Z4J_DSN": sink.dsn}
    shutil.copytree(migrated, shop.folder, dirs_exist_ok=True)
    return shop


def told(sink, kind, task):
    return wait_for(lambda: sink.of(kind, task), 60, f"{kind} of {task}")[0]


@pytest.mark.parametrize("server", [PRELOADED, THREADED, RUNSERVER], ids=["preloaded", "threads", "runserver"])
def test_what_a_web_server_sends_is_seen_whatever_the_engine(connected, sink, server):
    with connected.serving(server) as buy:
        for engine in WORKERS:
            bought = [buy(engine, f"ann-{number}") for number in range(4)]
            for one in bought:
                event = told(sink, "task.enqueued", one["task"])
                assert event["engine"] == engine
                assert event["name"].endswith("mail")
                assert "ann-" in event["args"]
    online = sink.of("agent.online")
    assert {agent["data"]["role"] for agent in online} == {"producer"}
    for agent in online:
        assert {engine["name"] for engine in agent["data"]["engines"]} == set(WORKERS)
        assert agent["data"]["problems"] == []


@pytest.mark.parametrize("engine", WORKERS)
def test_only_the_engine_that_a_project_uses_is_attached(connected, engine):
    look = "import z4j_bare; print(*z4j_bare.agent().engines)"
    assert connected.python(look, SHOP_ENGINES=engine) == engine


def test_an_engine_that_comes_with_the_views_is_found_by_the_second_request(connected, sink):
    with connected.serving(THREADED, SHOP_LATE="1") as buy:
        buy("celery", "ann")
        assert told(sink, "task.enqueued", buy("celery", "bob")["task"])["engine"] == "celery"


def test_a_management_command_that_sends_nothing_leaves_no_trace(connected, sink):
    for command in ("check", "migrate", "showmigrations", "shell -c pass", "help"):
        code, _, err = connected.manage(*command.split())
        assert code == 0, err
    assert not connected.spool.exists()
    assert sink.events == []


@pytest.mark.parametrize("engine", WORKERS)
def test_a_worker_started_as_ever_is_seen_with_what_it_runs(connected, sink, engine):
    with connected.running(*WORKERS[engine].split(), SHOP_ENGINES=engine):
        wait_for(lambda: sink.of("worker.online"), 60, "the worker")
        send = f"from shop.tasks import send; print(send({engine!r}, 'ann'))"
        task = connected.python(send, SHOP_ENGINES=engine)
        assert told(sink, "task.enqueued", task)["engine"] == engine
        assert told(sink, "task.succeeded", task)["engine"] == engine
    wait_for(lambda: sink.of("worker.offline"), 30, "the worker's farewell")
