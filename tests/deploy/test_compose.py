"""compose.yaml and the image: what they set, start, keep and ask is what the brain has."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml
from django.urls import resolve

from tests.deploy import commands
from tests.store import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
IMAGE = (ROOT / "Dockerfile").read_text()
SCHEMA = json.loads((Path(__file__).parent / "vendor" / "compose-spec.json").read_text())
#: Compose's services that a page has people write beside these.
PAGES = [ROOT / "docs" / "how-to" / "scale-out.md"]
BRAIN, DATABASE = COMPOSE["services"]["brain"], COMPOSE["services"]["database"]


def valid(document: Any) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(document)


def test_it_is_what_the_compose_specification_says_and_a_mistake_is_not():
    valid(COMPOSE)
    for service, mistake in (
        ("brain", {"read_onyl": True}), ("brain", {"ports": "7700"}), ("database", {"healthcheck": {"tests": []}}),
    ):  # fmt: skip
        wrong = copy.deepcopy(COMPOSE)
        wrong["services"][service] |= mistake
        with pytest.raises(jsonschema.ValidationError):
            valid(wrong)


def test_each_volume_and_service_that_is_named_is_there():
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_has_people_write_into_it_is_that_too(page: Path):
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        valid(yaml.safe_load(block) | {"volumes": COMPOSE["volumes"]})


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
