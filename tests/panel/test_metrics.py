"""What Prometheus scrapes: figures of what whoever asks sees, with labels that stay few."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from z4j_brain.fleet.models import Queue, Worker
from z4j_brain.stats import histogram
from z4j_brain.stats.models import ByQueue
from z4j_brain.stats.states import Grain

pytestmark = pytest.mark.django_db

LABELS = ("project", "environment", "engine", "queue", "state", "le")


@pytest.fixture
def scrape(client, cast):
    """The samples that somebody's token gets: by name and labels, without those of the place."""

    def get(who="olive", accept="text/plain"):
        headers = {"authorization": f"Bearer {cast.tokens[who]}", "accept": accept}
        answer = client.get("/metrics", headers=headers)
        assert answer.status_code == 200, answer.content
        found = {}
        for family in text_string_to_metric_families(answer.content.decode()):
            for sample in family.samples:
                labels = [sample.labels[name] for name in LABELS if name in sample.labels]
                found[sample.name, *labels] = sample.value
        return found

    return get


def test_a_stranger_gets_nothing_and_is_told_how_to_ask(client):
    answer = client.get("/metrics")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_queues_and_workers_are_gauges(scrape, cast):
    now = timezone.now()
    Queue.objects.create(
        environment=cast.production, engine="celery", name="mail", depth=7, dead=2, measured_at=now,
        oldest_at=now - timedelta(seconds=90),
    )  # fmt: skip
    Worker.objects.create(
        environment=cast.production, engine="celery", name="w@h", concurrency={"kind": "prefork", "size": 4},
        running=[{"task_id": "t", "name": "n", "started": None}],
    )  # fmt: skip
    found = scrape()
    place = ("harbor", "production", "celery")
    assert found["z4j_queue_messages", *place, "mail"] == 7
    assert found["z4j_queue_dead_letters", *place, "mail"] == 2
    assert found["z4j_queue_oldest_message_age_seconds", *place, "mail"] == pytest.approx(90, abs=30)
    assert found["z4j_workers", *place, "online"] == 1
    assert (found["z4j_worker_slots", *place, "busy"], found["z4j_worker_slots", *place, "idle"]) == (1, 3)
    assert found["z4j_audit_chain_valid",] == 1


def test_what_ended_is_counted_by_state_and_sorted_by_how_long_it_took(scrape, cast):
    now, runtimes = int(timezone.now().timestamp()), histogram.dump({histogram.slot(2_000_000): 3})
    for grain in Grain:
        ByQueue.objects.create(
            environment=cast.production, grain=grain, start=grain.floor(now), engine="huey", queue="mail",
            arrived=5, succeeded=2, failed=1, runtime_us=6_000_000, runtimes=runtimes,
        )  # fmt: skip
    found = scrape()
    place = ("harbor", "production", "huey", "mail")
    told = {state: found.get(("z4j_task_events_total", *place, state)) for state in ("arrived", "succeeded", "lost")}
    assert told == {"arrived": 5, "succeeded": 2, "lost": None}
    assert found["z4j_task_runtime_seconds_bucket", *place, "1.0"] == 0
    assert found["z4j_task_runtime_seconds_bucket", *place, "5.0"] == 3
    assert found["z4j_task_runtime_seconds_count", *place] == 3
    assert found["z4j_task_runtime_seconds_sum", *place] == 6
    assert ("z4j_task_wait_seconds_count", *place) not in found


def test_another_tenant_is_told_nothing(scrape, cast):
    Queue.objects.create(environment=cast.production, engine="rq", name="mail", measured_at=timezone.now())
    assert ("z4j_queue_messages", "harbor", "production", "rq", "mail") in scrape("vera")
    assert not [key for key in scrape("stan") if "harbor" in key]


def test_openmetrics_is_spoken_to_who_asks_for_it(client, cast):
    headers = {"authorization": f"Bearer {cast.tokens['olive']}", "accept": "application/openmetrics-text"}
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    assert answer.content.endswith(b"# EOF\n")
