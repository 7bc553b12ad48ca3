"""The chart, as far as it can be checked without a cluster: its values, its schema, and what its templates have run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import indent
from typing import Any

import jsonschema
import pytest
import yaml
from django.urls import resolve

from tests.deploy import commands
from z4j_brain import server

CHART = commands.DEPLOY / "helm" / "z4j"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
TEMPLATES = sorted((CHART / "templates").glob("*.yaml"))
HELPERS = (CHART / "templates" / "_helpers.tpl").read_text()
PIECES = dict(re.findall(r'{{- define "([^"]+)" -}}\n(.*?)\n{{- end }}(?=\n\n|\n$)', HELPERS, re.DOTALL))
EXPRESSION = re.compile(r"{{-?(.*?)-?}}", re.DOTALL)
INCLUDE = re.compile(r'^( *){{-? include "([^"]+)".*?(?:\| nindent (\d+) )?}}$', re.MULTILINE)


def skeleton(text: str) -> list[Any]:
    """The documents with the helpers that they include, and a word, or nothing, where another expression stands."""
    lines = (line for line in _expanded(text).splitlines() if not re.fullmatch(r"\s*{{.*}}\s*", line))
    return list(yaml.safe_load_all(EXPRESSION.sub("word", "\n".join(lines))))


def _expanded(text: str) -> str:
    return INCLUDE.sub(lambda at: indent(_expanded(PIECES[at[2]]), " " * int(at[3] or len(at[1]))), text)


def within(thing: Any, key: str) -> list[Any]:
    """Everything that stands under this key, however deep."""
    if isinstance(thing, list):
        return [found for one in thing for found in within(one, key)]
    if not isinstance(thing, dict):
        return []
    return ([thing[key]] if key in thing else []) + [found for one in thing.values() for found in within(one, key)]


def test_its_values_are_what_its_schema_says_and_mistakes_are_not():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)
    wrong: list[dict[str, Any]] = [
        {"webs": {}}, {"url": "z4j.example.org"}, {"web": {"replicas": -1}}, {"allowedHosts": ["*"]},
        {"settings": {"LOG": "json"}}, {"signer": {"storage": "much"}},
    ]  # fmt: skip
    for mistake in wrong:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(VALUES | mistake, SCHEMA)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_is_yaml_and_takes_only_values_and_helpers_that_there_are(template: Path):
    text = template.read_text()
    [document] = skeleton(text)
    assert {"apiVersion", "kind", "metadata", "spec"} == set(document)
    assert text.count("{{- if ") + text.count("{{- with ") + text.count("{{- range ") == text.count("{{- end }}")
    for source in (text, HELPERS):
        assert set(re.findall(r'include "([^"]+)"', source)) <= set(re.findall(r'define "([^"]+)"', HELPERS))
        for path in re.findall(r"\.Values\.([\w.]+)", source):
            found: Any = VALUES
            for name in path.split("."):
                assert name in found, f".Values.{path}"
                found = found[name]


def test_what_runs_are_commands_of_ours_under_nobodys_rights_with_time_to_end():
    parts = {template.stem: skeleton(template.read_text())[0] for template in TEMPLATES}
    running = {name: document for name, document in parts.items() if within(document, "containers")}
    assert set(running) == {"web", "housekeeping", "signer", "migrate"}
    for document in running.values():
        [[container]] = within(document, "containers")
        program, *rest = container["command"]
        assert program == "z4j"
        commands.check(*rest)
        assert all(wait >= server.DRAIN_AT_MOST + 5 for wait in within(document, "terminationGracePeriodSeconds"))
        assert within(document, "runAsNonRoot") == [True] and within(document, "automountServiceAccountToken") == [
            False
        ]
        volumes = {volume["name"] for volume in within(document, "volumes")[0]}
        volumes |= {
            claim["metadata"]["name"] for claims in within(document, "volumeClaimTemplates") for claim in claims
        }
        for one in [container, *within(document, "initContainers")[0]]:
            given = one["securityContext"]
            assert (given["readOnlyRootFilesystem"], given["allowPrivilegeEscalation"]) == (True, False)
            assert given["capabilities"] == {"drop": ["ALL"]}
            assert {mount["name"] for mount in one["volumeMounts"]} <= volumes
        env = [variable["name"] for variable in container["env"] if variable["name"] != "word"]
        assert len(env) == len(set(env)) and set(env) <= commands.settings()
        assert {"Z4J_URL", "Z4J_DATABASE_URL", "Z4J_CHANNEL_URL", "Z4J_ALLOWED_HOSTS"} <= set(env)
    [count] = within(parts["signer"], "replicas")
    assert count == 1


def test_probes_ask_addresses_that_there_are_as_a_host_that_is_answered():
    [web] = skeleton((CHART / "templates" / "web.yaml").read_text())
    [[container]] = within(web, "containers")
    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe: resolve(get["path"]).url_name for probe, get in asked.items()} == {
        "startupProbe": "healthz", "livenessProbe": "healthz", "readinessProbe": "readyz",
    }  # fmt: skip
    assert all(get["httpHeaders"] == [{"name": "Host", "value": "127.0.0.1"}] for get in asked.values())
    assert container["ports"] == [{"name": "http", "containerPort": 7700}]
    assert '"127.0.0.1"' in HELPERS.partition("Z4J_ALLOWED_HOSTS")[2].splitlines()[1]


def test_the_keys_come_from_secrets_that_exist_and_the_readme_says_how_to_make_them():
    texts = [HELPERS, *(template.read_text() for template in TEMPLATES)]
    given = set(re.findall(r"path: ((?:keys|secrets)/[\w.]+)", "\n".join(texts)))
    private = {f"keys/{name}" for name in ("root", "action", "log", "log.pub", "recovery.pub")}
    assert given == private | {"secrets/django", "secrets/fields"}
    assert "kind: Secret" not in "\n".join(texts)
    readme = (CHART / "README.md").read_text()
    assert all(f"made/{path}" in readme for path in given)
