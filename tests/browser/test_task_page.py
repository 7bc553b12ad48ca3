"""A task's own page in a browser: its workflow as a picture and as a list, and another run beside it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import offences

HERE = "/harbor/production/tasks/"


@pytest.fixture
def family(worker):
    """Rows of a parent, of one of its children that failed, and of a task that a group below it ends in."""
    mark = uuid4().hex[:8]
    worker.task("succeeded", name=f"child.{mark}")
    parent = worker.task("succeeded", name=f"parent.{mark}")
    children = [
        worker.task("failed" if number == 1 else "succeeded", name=f"child.{mark}", parent_id=parent, group_id=mark)
        for number in range(4)
    ]
    last = worker.task("succeeded", name=f"last.{mark}", parent_id=children[3], group_id=mark)
    return {"parent": worker.row(parent), "child": worker.row(children[1]), "last": worker.row(last)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_pages_of_a_task_are_for_everybody(visit, family, width, scheme):
    for path in (f"{family['child']}/", f"{family['child']}/compare/"):
        page = visit("olive", HERE + path, width=width, color_scheme=scheme)
        assert not offences(page)


def test_a_picture_of_the_workflow_is_walked_by_its_boxes(visit, family):
    page = visit("vera", f"{HERE}{family['child']}/", width=390)
    flow = page.locator(".workflow")
    expect(flow.locator("a")).to_have_count(6)
    expect(flow).to_contain_text("chord of 4")
    here = flow.locator("[aria-current]").bounding_box()
    box = flow.bounding_box()
    assert box["x"] <= here["x"]
    assert here["x"] + here["width"] <= box["x"] + box["width"]

    flow.locator(f"a[href$='/{family['last']}/']").press("Enter")
    expect(page.locator(".lineage .here")).to_contain_text("this task")
    expect(page.locator(".lineage")).to_contain_text("after all of them")
    page.locator(".lineage").get_by_role("link").first.click()
    expect(page).to_have_url(f"{page.url.split('/harbor')[0]}{HERE}{family['parent']}/")


def test_the_last_good_run_is_put_beside_a_failed_one_and_values_once_asked_for(visit, family):
    page = visit("oscar", f"{HERE}{family['child']}/")
    page.locator("#task-compare").click()
    differs = page.locator("table").first
    expect(differs.get_by_role("row").filter(has_text="Error")).to_contain_text("SMTPServerDisconnected")
    expect(page.locator("#same")).to_contain_text("are the same")
    page.get_by_role("button", name="Ask to show both, recorded").press("Enter")
    expect(page.get_by_text("timed out")).to_be_visible()
    assert not offences(page)


def test_each_attempt_tells_its_error_once_asked_for(visit, worker):
    row = worker.row(worker.task("failed"))
    page = visit("oscar", f"{HERE}{row}/")
    page.locator(".attempt-note summary").click()
    expect(page.locator(".attempt-note")).to_contain_text("a traceback")
    page.locator("#ask-to-show-error").click()
    page.get_by_role("button", name="Show, recorded", exact=True).click()
    page.locator(".attempt-note summary").click()
    expect(page.locator(".attempt-note pre")).to_contain_text("send_messages")
