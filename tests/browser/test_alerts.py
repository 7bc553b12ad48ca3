"""The pages of alerts in a browser: for everybody, from a phone's width on, and by keyboard alone."""

from __future__ import annotations

import json
import re
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.browser.offences import offences

HERE = "/harbor/production/alerts/"
API = f"/api/v1{HERE}"


@pytest.fixture(scope="module")
def rule(brain):
    """One that is muted, with a channel that was sent a test, and a maintenance window."""
    name = uuid4().hex[:6]
    window = {"name": f"Nightly {name}", "cron": "* * * * *", "minutes": 60}
    window = json.loads(brain.request("POST", f"{API}windows/", window, who="olive")[2])["id"]
    asked = {"name": f"pager-{name}", "kind": "webhook", "address": "https://hooks.example/alerts?of=harbor"}
    channel = json.loads(brain.request("POST", f"{API}channels/", asked, who="olive")[2])["id"]
    brain.request("POST", f"{API}channels/{channel}/test/", who="olive")
    asked = {"name": f"Failures of {name}", "kind": "failure_rate", "channels": [channel]}
    rule = json.loads(brain.request("POST", f"{API}rules/", asked, who="olive")[2])["id"]
    return {"rule": rule, "channel": channel, "window": window}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize(
    "page",
    [
        "",
        "history/",
        "channels/",
        "channels/{channel}/",
        "maintenance/",
        "maintenance/new/",
        "maintenance/{window}/",
        "new/",
        "new/?kind=schedule_missed",
        "rules/{rule}/",
    ],
)
def test_a_page_of_alerts_is_for_everybody(visit, rule, page, width, scheme):
    shown = visit("olive", HERE + page.format(**rule), width=width, color_scheme=scheme)
    assert not offences(shown)


def test_a_rule_is_written_tried_and_muted_by_keyboard(visit):
    name = f"Long queues {uuid4().hex[:6]}"
    page = visit("olive", f"{HERE}new/?kind=queue_depth")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Tasks that wait").fill("100000")
    page.get_by_role("button", name="See what it would say now").press("Enter")
    expect(page.locator("#tried")).to_contain_text("all is well by these settings")

    page.get_by_role("button", name="Make it").press("Enter")
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("Quiet")

    row.get_by_label(re.compile("What to do")).press("Enter")
    row.get_by_role("button", name="Mute for 8 hours").press("Enter")
    expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("muted until")
