"""What a newcomer does with the demo: sign in, see tasks arrive, retry a failed one, cancel a running one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WATCH, Watch
from tests.live.demo import Demo

TASKS = "/default/production/tasks/"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo"))
    yield demo
    assert demo.stop() == 0


@pytest.fixture
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    """Signed in by the form, as a person would."""
    context = browser.new_context(base_url=demo.facts["url"], viewport={"width": 1440, "height": 900})
    watch = Watch(demo.facts["url"])
    context.add_init_script(WATCH)
    context.on("page", watch.page)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("User name").fill(demo.facts["user"])
    page.get_by_label("Password").fill(demo.facts["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    yield page
    watch.check()
    context.close()


def test_tasks_arrive_without_a_reload(demo, page):
    page.goto(TASKS)
    expect(page.locator("tbody tr").first).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="new, show")).to_be_visible(timeout=60_000)


def test_retry_runs_a_failed_task_again_and_both_pages_show_the_link(demo, page):
    failed = demo.until(lambda: demo.first(state="failed", error_type="shop.tasks.TerminalOffline"), 150)
    page.goto(f"{TASKS}?state=failed&name=shop.charge_card")
    page.locator(f"#task-{failed['id']} a").first.click()
    expect(page.locator("#task-error")).to_contain_text("shop.tasks.TerminalOffline: a message")

    page.locator("#do-retry").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry 1 task").click()

    again = demo.until(lambda: demo.first(retry_of=failed["task_id"], state="succeeded"), 90)
    page.goto(f"{TASKS}{failed['id']}/")
    page.locator(".lineage li", has_text="retried as").last.get_by_role("link").click()
    expect(page).to_have_url(f"{demo.facts['url']}{TASKS}{again['id']}/")
    expect(page.locator("#task-head .state")).to_have_text("Succeeded")
    expect(page.locator(".lineage")).to_contain_text("original")


def test_cancel_stops_a_running_task_before_ones_eyes(demo, page):
    running = demo.until(lambda: demo.first(state="started", name="shop.export_catalogue"), 60)
    page.goto(f"{TASKS}{running['id']}/")

    page.locator("#do-cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel 1 task").click()

    demo.until(lambda: demo.first(task_id=running["task_id"], state="cancelled"), 30)
    page.goto(f"{TASKS}{running['id']}/")
    expect(page.locator("#task-head .state")).to_have_text("Cancelled")
