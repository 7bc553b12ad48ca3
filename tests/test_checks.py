"""A brain that is set up dangerously does not start, and says why."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.store import ROOT
from z4j_brain import checks


def found(check):
    return [finding.id for finding in check()]


def test_the_defaults_are_sound(settings):
    for check in (checks.secret_key, checks.secret_files, checks.secrets_differ, checks.hosts, checks.proxies):
        assert found(check) == []


def test_a_short_or_dull_secret_key_is_refused(settings):
    settings.SECRET_KEY = "short"
    assert found(checks.secret_key) == ["z4j.E001"]
    settings.SECRET_KEY = "ab" * 50
    assert found(checks.secret_key) == ["z4j.E001"]


def test_a_secret_out_of_an_example_or_one_for_two_purposes_is_refused(settings):
    settings.SECRET_KEY = "django-insecure-" + settings.SECRET_KEY
    assert found(checks.secret_key) == ["z4j.E001"]
    settings.SECRET_KEY = settings.Z4J_FIELD_SECRET
    assert found(checks.secrets_differ) == ["z4j.E003"]
    settings.SECRET_KEY_FALLBACKS = ["short"]
    assert found(checks.secret_key) == ["z4j.E001"]


def test_a_named_file_that_everybody_may_read_is_refused(settings, tmp_path, monkeypatch):
    secret = tmp_path / "key"
    secret.write_text("x")
    secret.chmod(0o644)
    settings.Z4J_DATA_DIR = tmp_path
    monkeypatch.setenv("Z4J_SECRET_KEY_FILE", str(secret))
    assert found(checks.secret_files) == ["z4j.E002"]
    secret.chmod(0o440)
    assert found(checks.secret_files) == []


def test_in_production_the_hosts_are_said(settings):
    settings.SECURE, settings.Z4J_URL = True, "https://z4j.example.com"
    assert found(checks.hosts) == ["z4j.E010"]
    settings.ALLOWED_HOSTS = [".example.com"]
    assert found(checks.hosts) == []


def test_a_secret_that_others_may_read_is_refused(settings, tmp_path):
    settings.Z4J_DATA_DIR = tmp_path
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "root").write_bytes(b"one")
    (tmp_path / "keys" / "root").chmod(0o640)
    assert found(checks.secret_files) == ["z4j.E002"]


def test_one_secret_for_two_purposes_is_refused(settings, tmp_path):
    settings.Z4J_DATA_DIR = tmp_path
    for folder in ("keys", "secrets"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_bytes(b"the same")
    assert found(checks.secrets_differ) == ["z4j.E003"]


def test_hosts_address_and_proxies_are_looked_at(settings):
    settings.ALLOWED_HOSTS = ["*"]
    assert found(checks.hosts) == ["z4j.E004"]
    settings.Z4J_URL = "z4j.example.com"
    assert found(checks.address) == ["z4j.E005"]
    settings.Z4J_URL, settings.Z4J_HOST = "http://z4j.example.com", "0.0.0.0"
    assert found(checks.address) == ["z4j.W001"]
    settings.Z4J_TRUSTED_PROXIES = ["10.0.0.0/8", "proxy.local"]
    assert found(checks.proxies) == ["z4j.E006"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [({"address": "redis://x"}, ["z4j.E007"]), ({"address": "redis://x", "socket_timeout": 60}, [])],
)
def test_a_channel_layer_that_would_drop_idle_websockets_is_refused(settings, config, expected):
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [config]}}
    }
    assert found(checks.channel_layer) == expected


def test_the_production_profile_passes_djangos_deployment_checks(tmp_path):
    environment = os.environ | {
        "Z4J_DATA_DIR": str(tmp_path),
        "Z4J_URL": "https://z4j.example.com",
        "Z4J_ALLOWED_HOSTS": "z4j.example.com",
        "Z4J_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "z4j_brain.settings",
    }
    command = [sys.executable, "-m", "z4j_brain.cli", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_a_brain_with_an_error_does_not_start(tmp_path):
    environment = os.environ | {
        "Z4J_DATA_DIR": str(tmp_path),
        "Z4J_ALLOWED_HOSTS": "*",
        "Z4J_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "z4j_brain.settings",
    }
    command = [sys.executable, "-m", "z4j_brain.cli", "serve", "--port", "1"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "z4j.E004" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("role", ["web", "housekeeping"])
def test_a_part_of_a_brain_without_what_parts_share_says_what_to_set(tmp_path, role):
    environment = {**os.environ, "Z4J_DATA_DIR": str(tmp_path), "Z4J_DATABASE_URL": "", "Z4J_CHANNEL_URL": ""}
    environment["DJANGO_SETTINGS_MODULE"] = "z4j_brain.settings"
    command = [sys.executable, "-m", "z4j_brain.cli", role]

    refused = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert refused.returncode == 1
    assert "Set Z4J_DATABASE_URL=postgres://" in refused.stderr and "Set Z4J_CHANNEL_URL=redis://" in refused.stderr
    assert "Traceback" not in refused.stderr and not (tmp_path / "z4j.sqlite3").exists()


def test_a_command_where_no_brain_has_started_says_where_it_looked(tmp_path):
    command = [sys.executable, "-m", "z4j_brain.cli", "agent-key", "create", "default/production"]
    own = {"DJANGO_SETTINGS_MODULE": "z4j_brain.settings", "Z4J_DATA_DIR": str(tmp_path), "Z4J_DATABASE_URL": ""}
    environment = os.environ | own
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert told.returncode == 1
    assert told.stderr.startswith(f"No brain has started on this database yet (data folder {tmp_path}).")
    assert "Traceback" not in told.stderr
