"""The audit trail in a browser: for everybody, by keyboard, down to the proof of one entry."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.offences import offences
from tests.browser.test_keyboard import tab_to

HERE = "/harbor/production/audit/"


@pytest.fixture
def asked(brain, worker):
    """Somebody has asked for something, and why."""
    row = worker.row(worker.task("failed", name="shop.audited"))
    body = {"reason": "the relay is back"}
    brain.request("POST", f"/api/v1/harbor/production/tasks/{row}/retry/", body, who="oscar")
    return row


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_pages_of_the_trail_are_for_everybody(asked, visit, width, scheme):
    page = visit("olive", HERE, width=width, color_scheme=scheme)
    assert not offences(page)
    page.get_by_role("link", name="Retry task").first.click()
    expect(page.get_by_role("heading", name="Proof")).to_be_visible()
    assert not offences(page)
    page.goto("/audit/?in=harbor/production")
    expect(page.get_by_role("heading", name="How the log fares")).to_be_visible()
    assert not offences(page)


def test_an_entry_is_found_and_verified_with_keys_alone(asked, visit):
    page = visit("audrey", "/harbor/production/")
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    page.wait_for_load_state()  # before it nobody listens to keys
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("who:oscar verb:task.retry relay is back")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=who"))
    tab_to(page, "#audit-list td a")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="From request to result")).to_be_visible()
    expect(page.get_by_text("the relay is back").first).to_be_visible()

    page.wait_for_function("document.body.innerText.includes('Verify') || location.reload()")
    tab_to(page, "#proof .actions a")
    page.keyboard.press("Enter")

    expect(page.get_by_text("Proven.")).to_be_visible()
    expect(page.locator(".proof-path .badge.good")).to_have_count(2)


def test_a_task_leads_to_the_entry_about_it(asked, visit):
    page = visit("olive", f"/harbor/production/tasks/{asked}/")
    page.locator("#task-touches").get_by_role("link", name="task.retry").first.click()

    expect(page.get_by_role("heading", name="From request to result")).to_be_visible()
