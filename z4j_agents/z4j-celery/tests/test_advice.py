"""What in Celery's settings will hurt is said by name, and silence is kept where all is well."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from celery import Celery
from z4j_celery import CeleryEngine
from z4j_core.testing.recording import RecordingHost

REDIS = "redis://127.0.0.1:1/0"
WELL = {
    "broker_url": REDIS,
    "result_backend": REDIS,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_time_limit": 600,
    "task_track_started": True,
    "result_extended": True,
    "worker_prefetch_multiplier": 1,
    "worker_state_db": "/var/lib/worker.state",
}


@pytest.fixture
def advised(tmp_path):
    apps = []

    def codes(longest_wait=0.0, **settings):
        app = Celery("advised", set_as_current=True)
        apps.append(app)
        app.conf.update(WELL | settings)
        engine = CeleryEngine()
        engine.install(RecordingHost(tmp_path))
        try:
            engine.hooks.longest_wait = longest_wait
            return [advice.code for advice in engine.advice()]
        finally:
            engine.uninstall()

    yield codes
    for app in apps:
        app.close()


def test_settings_that_are_well_are_left_in_peace(advised):
    assert advised() == []


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        ({"task_acks_late": False}, ["reject-without-late"]),
        ({"task_reject_on_worker_lost": None}, ["late-without-reject"]),
        ({"task_time_limit": None}, ["no-time-limit"]),
        ({"result_expires": None}, ["results-for-ever"]),
        ({"result_expires": 0}, ["results-for-ever"]),
        ({"result_extended": False}, ["result-not-extended"]),
        ({"task_track_started": False}, ["started-not-tracked"]),
        ({"worker_prefetch_multiplier": 0}, ["prefetch-unlimited"]),
        ({"worker_prefetch_multiplier": 4}, ["prefetch"]),
        ({"worker_state_db": None}, ["no-state-file"]),
        ({"worker_enable_remote_control": False}, ["no-remote-control"]),
        ({"accept_content": ["json", "pickle"]}, ["pickle"]),
        ({"broker_transport_options": {"visibility_timeout": 300}}, ["visibility-limit"]),
        ({"longest_wait": 7200.0}, ["visibility-eta"]),
        ({"longest_wait": 7200.0, "broker_transport_options": {"visibility_timeout": 86400}}, []),
        ({"longest_wait": 7200.0, "broker_url": "amqp://"}, []),
        ({"result_backend": None, "result_expires": None, "result_extended": False}, []),
    ],
    ids=str,
)
def test_what_will_hurt_is_named(advised, settings, codes):
    assert advised(**settings) == codes


def test_a_state_file_given_on_the_command_line_counts(advised):
    app = Celery("advised", set_as_current=True)
    app.conf.update(WELL | {"worker_state_db": None})
    engine = CeleryEngine()
    engine.consumer = SimpleNamespace(app=app, controller=SimpleNamespace(statedb="/var/lib/worker.state"))
    assert [advice.code for advice in engine.advice()] == []
    app.close()
