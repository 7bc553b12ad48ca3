"""The dashboard asks for figures that the brain exports, by labels that they have, and leaves none out."""

from __future__ import annotations

import json
import re
from itertools import combinations

import pytest
from prometheus_client.core import Metric

from tests.deploy.commands import DEPLOY
from z4j_brain.panel.figures import Figures
from z4j_brain.rbac.actor import Actor

BOARD = json.loads((DEPLOY / "grafana" / "z4j.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
VARIABLES = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
ASKED = [target["expr"] for panel in PANELS for target in panel["targets"]]
ASKED += [variable["definition"] for variable in VARIABLES.values() if "definition" in variable]
ENDINGS = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"], "gauge": [""]}


@pytest.fixture
def exported(cast) -> list[Metric]:
    return list(Figures(Actor.of_user(cast.user("olive"), ip="")).collect())


def samples(metric: Metric) -> set[str]:
    return {metric.name + ending for ending in ENDINGS[metric.type]}


@pytest.mark.django_db
def test_each_figure_that_it_asks_for_is_exported_and_each_that_is_exported_is_shown(exported):
    asked = {name for text in ASKED for name in re.findall(r"\bz4j_\w+", text)}
    assert asked - set().union(*map(samples, exported)) == set()
    assert [metric.name for metric in exported if not asked & samples(metric)] == []


@pytest.mark.django_db
def test_it_narrows_and_groups_by_labels_that_the_figures_have(exported):
    looked_at = 0
    for metric in exported:
        had = {*getattr(metric, "_labelnames", ())} | {"le", "version"}
        for text in ASKED:
            found = re.findall(
                rf"by \(([^()]*)\) \((?:rate\(|increase\()?({'|'.join(samples(metric))})\b(?:{{(.*?)}})?", text
            )
            looked_at += len(found)
            for by, _, narrowed in found:
                named = {*by.split(", "), *re.findall(r"(\w+)=", narrowed)}
                assert named <= had, f"{text}: {metric.name} has no {named - had}"
    assert looked_at > len(PANELS)


def test_whatever_it_asks_goes_to_the_prometheus_that_is_chosen_and_names_variables_that_there_are():
    assert {json.dumps(panel["datasource"]) for panel in PANELS} == {'{"type": "prometheus", "uid": "${datasource}"}'}
    named = {name for text in ASKED for name in re.findall(r"\$(\w+)", text)} - {"__rate_interval"}
    assert named <= set(VARIABLES)


def test_no_panel_lies_on_another():
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    assert all(place["x"] + place["w"] <= 24 for place in places)
