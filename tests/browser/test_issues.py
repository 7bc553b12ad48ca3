"""The pages of issues in a browser: for everybody, from a phone's width on; triage, and a retry of all of one."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.browser.offences import offences

HERE = "/harbor/production/issues/"


@pytest.fixture
def failed(worker):
    """The name of a task that failed three times alike."""
    name = f"issue.{uuid4().hex[:8]}"
    for _ in range(3):
        worker.task("failed", name=name)
    return name


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_pages_of_issues_are_for_everybody(visit, failed, width, scheme):
    page = visit("olive", HERE, width=width, color_scheme=scheme)
    assert not offences(page)
    page.get_by_role("row").filter(has_text=failed).get_by_role("link").first.click()
    expect(page.get_by_role("button", name="Resolve")).to_be_visible()
    assert not offences(page)


def test_an_issue_is_taken_snoozed_resolved_and_all_of_it_retried(visit, failed):
    page = visit("oscar", HERE)
    row = page.get_by_role("row").filter(has_text=failed)
    expect(row.get_by_role("cell").nth(2)).to_have_text("3")
    row.get_by_role("button", name="Take").press("Enter")
    expect(page.get_by_role("row").filter(has_text=failed)).to_contain_text("oscar")

    page.get_by_role("row").filter(has_text=failed).get_by_role("link").first.press("Enter")
    page.locator("#do-snooze").press("Enter")
    page.get_by_role("button", name="Until it doubles").press("Enter")
    expect(page.locator("#issue-facts")).to_contain_text("until 6 tasks")
    page.get_by_role("button", name="Resolve").press("Enter")
    expect(page.locator("#issue-head")).to_contain_text("Resolved")

    page.get_by_role("link", name="Retry all").press("Enter")
    expect(page.locator("main")).to_contain_text("Retry 3 tasks")
