"""What the panel may look like: colours by name, icons that exist, addresses that lead somewhere."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

from z4j_brain.agents.states import Presence
from z4j_brain.operations.states import ItemOutcome, ItemProgress, OperationState
from z4j_brain.panel.context import NAVIGATION
from z4j_brain.tasks.states import TaskState

CSS = sorted((settings.STATIC_DIR / "css").rglob("*.css"))
TEMPLATES = sorted(settings.TEMPLATES_DIR.rglob("*.html"))
SPRITE = (settings.STATIC_DIR / "vendor/lucide/icons.svg").read_text()
ICONS = set(re.findall(r'symbol id="([^"]+)"', SPRITE))
TOKENS = (settings.STATIC_DIR / "css/tokens.css").read_text()
COLOUR = re.compile(
    r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|hwb|lab|lch|oklab|oklch|color|light-dark)a?\((?!in )"
    r"|:\s*(?:white|black|red|green|blue|gr[ae]y|orange|yellow|purple)\b",
    re.I,
)
STATES = [*TaskState, *OperationState, *ItemOutcome, *ItemProgress, *Presence]


def name(path):
    return path.name


def code(path):
    return re.sub(r"/\*.*?\*/|\{#.*?#\}", "", path.read_text(), flags=re.S)


@pytest.mark.parametrize("path", [path for path in CSS if path.name != "tokens.css"], ids=name)
def test_a_colour_is_named_in_tokens_only(path):
    assert not COLOUR.findall(code(path))


@pytest.mark.parametrize("path", CSS, ids=name)
def test_a_style_uses_only_tokens_that_exist(path):
    used = set(re.findall(r"var\((--[\w-]+)", code(path)))
    own = set(re.findall(r"(--[\w-]+)\s*:", code(path)))
    assert used - own <= set(re.findall(r"(--[\w-]+)\s*:", TOKENS)) | {"--c"}


def test_every_state_has_an_icon_and_a_hue():
    for state in STATES:
        assert state.icon in ICONS, state
        hue = getattr(state, "hue", state.value)
        assert f"--{hue}:" in TOKENS, state


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_every_icon_is_in_the_sprite(path):
    assert set(re.findall(r'\{% icon "([\w-]+)"', path.read_text())) <= ICONS


def test_every_place_has_an_icon_and_a_key_of_its_own():
    places = [place for group in NAVIGATION for place in group.places]
    assert {place.icon for place in places} <= ICONS
    assert len({place.key for place in places} | {"c"}) == len(places) + 1


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_no_link_leads_nowhere(path):
    assert not re.findall(r'href="#(?!main)[^"]*"|href=""', code(path))
