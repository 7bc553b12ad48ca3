"""compose.yaml and the image: what they set, start, keep and ask is what the brain has."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import yaml
from django.urls import resolve

from tests.deploy import commands
from tests.store import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
IMAGE = (ROOT / "Dockerfile").read_text()
BRAIN, DATABASE = COMPOSE["services"]["brain"], COMPOSE["services"]["database"]


def test_each_variable_is_a_setting_and_the_address_of_the_database_is_that_of_the_service_beside_it():
    given = BRAIN["environment"]
    assert set(given) <= commands.settings() and {"Z4J_URL", "Z4J_DATABASE_URL", "Z4J_ALLOWED_HOSTS"} <= set(given)
    address = urlsplit(given["Z4J_DATABASE_URL"].replace("${POSTGRES_PASSWORD:?}", "word"))
    made = DATABASE["environment"]
    assert (address.hostname, address.username, address.path) == (
        "database", made["POSTGRES_USER"], f"/{made['POSTGRES_DB']}"
    )  # fmt: skip
    assert made["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:?}"


def test_the_data_folder_is_a_volume_and_the_port_is_for_this_machine():
    image = dict(re.findall(r"(Z4J_\w+)=(\S+)", IMAGE))
    assert set(image) <= commands.settings()
    assert BRAIN["volumes"] == [f"brain:{image['Z4J_DATA_DIR']}"] and "brain" in COMPOSE["volumes"]
    assert BRAIN["ports"] == ["127.0.0.1:7700:7700"] and "EXPOSE 7700" in IMAGE
    assert BRAIN["depends_on"] == {"database": {"condition": "service_healthy"}} and "healthcheck" in DATABASE
    assert BRAIN["read_only"] is True and BRAIN["tmpfs"] == ["/tmp"]


def test_the_image_starts_a_command_of_ours_as_nobody_and_asks_whether_it_is_ready():
    program, *words = json.loads(re.findall(r"^CMD (.+)$", IMAGE, re.MULTILINE)[-1])
    assert program == "z4j"
    commands.check(*words)
    [path] = re.findall(r"http://127\.0\.0\.1:7700(/\w+)", IMAGE)
    assert resolve(path).url_name == "readyz"
    assert "USER z4j" in IMAGE and "STOPSIGNAL SIGTERM" in IMAGE
