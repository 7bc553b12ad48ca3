"""Every page in a real browser: strict policy, no error, nothing from elsewhere, readable by everybody, 390 px up."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.offences import offences
from tests.browser.shop import Worker, now

HERE = "/harbor/production"
PAGES = ["tasks", "task", "act", "operations", "operation", "queues", "workers", "agents", "connect"]
PAGES += ["capabilities", "engine", "doctor", "overview", "statistics", "queue", "worker", "dead-letters"]
#: Pages on which nothing changes by itself.
STILL = ["act", "many", "wrong", "registered", "components"]
PAGES += STILL[1:]


@pytest.fixture(scope="module")
def stage(brain):
    worker = Worker(brain, name="mail-page").online()
    task_id = worker.task("failed")
    for end in ("succeeded", "started", "queued", "failed"):
        worker.task(end)
    row = worker.row(task_id)
    answer = brain.request("POST", f"/api/v1{HERE}/tasks/{row}/retry/", {"reason": "once more"}, who="oscar")
    operation = answer[1]["Location"].rstrip("/").rsplit("/", 1)[-1]
    worker.queue("emails", depth=1240, delayed=3, dead=2, oldest=now() - 372_000_000)
    worker.queue("letters", depth=0)
    ids = {name: worker.listed(f"{name}/")[0]["id"] for name in ("queues", "workers")}
    known = {"engine": "capabilities/?engine=celery", "overview": "?since=24h"}
    known |= {"queue": f"queues/{ids['queues']}", "worker": f"workers/{ids['workers']}"}
    return known | {
        "task": f"tasks/{row}",
        "act": f"operations/new/task.cancel/?target={row}",
        "many": "operations/new/task.retry/?state=failed",
        "wrong": "operations/new/task.retry/?state=failed&rate=-1&delay=-5",
        "registered": "tasks/run",
        "operation": f"operations/{operation}",
    }


@pytest.fixture
def address(stage):
    def address(page: str) -> str:
        path = f"{HERE}/{stage.get(page, page)}"
        return path if "?" in path else f"{path}/"

    return address


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_the_policy_and_is_for_everybody(name, width, scheme, visit, address):
    page = visit("olive", address(name), width=width, color_scheme=scheme)
    if name not in STILL:
        expect(page.locator("html")).to_have_attribute("data-live", "live")
    assert not offences(page)


@pytest.mark.parametrize("path", ["/sign-in/", "/nowhere/"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_page_before_the_door_is_for_everybody_too(path, width, browser, brain):
    context = browser.new_context(base_url=brain.url, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(path)
    assert not offences(page)
    context.close()


@pytest.mark.parametrize("name", ["tasks", "task", "connect", "capabilities", "doctor"])
def test_whoever_tabs_sees_where_they_are(name, visit, address):
    page = visit("olive", address(name))
    unseen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen = page.evaluate("""() => {
            const e = document.activeElement, style = getComputedStyle(e);
            const box = e.closest('.search') ?? e, shown = getComputedStyle(box);
            return e === document.body || style.outlineStyle !== 'none' || shown.outlineStyle !== 'none'
                ? '' : e.outerHTML.slice(0, 100);
        }""")
        if seen:
            unseen.append(seen)
    assert not unseen


def test_without_script_everything_can_be_read_and_a_task_retried(visit, address, worker):
    row = worker.row(worker.task("failed"))
    page = visit("oscar", f"{HERE}/tasks/", java_script_enabled=False)
    page.locator(f"#task-{row} a").click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.locator(".jump")).to_be_hidden()
    page.locator("#do-retry").click()
    page.get_by_label("Reason").fill("the relay is back")
    page.get_by_role("button", name="Retry 1 task").click()
    expect(page.get_by_role("heading", name="Retry 1 task")).to_be_visible()
    page.get_by_role("link", name="shop.send_receipt").click()
    expect(page.locator("#task-asked")).to_contain_text("Retry requested")
    expect(page.locator("#task-asked")).to_contain_text("the relay is back")


@pytest.mark.parametrize("script", [True, False])
def test_values_are_shown_where_they_are_asked_for_and_hidden_again(visit, worker, script):
    row = worker.row(worker.task("failed"))
    page = visit("oscar", f"{HERE}/tasks/{row}/", java_script_enabled=script)
    assert "timed out" not in page.content()
    page.locator("#ask-to-show-error").click()
    page.locator("#show-why").fill("a customer calls")
    page.get_by_role("button", name="Show, recorded", exact=True).click()
    expect(page.locator("#task-error")).to_contain_text("timed out")
    expect(page.locator("#task-touches")).to_contain_text("a customer calls")
    assert not (script and offences(page))
    page.locator("#hide-error").click()
    expect(page.locator("#ask-to-show-error")).to_be_visible()
    assert "timed out" not in page.content()


def test_the_theme_is_kept(visit):
    page = visit("vera", f"{HERE}/tasks/", color_scheme="light")
    page.get_by_label("Appearance").first.click()
    page.get_by_role("menuitemradio", name="Dark").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_the_environment_is_switched_from_the_navigation(visit):
    page = visit("vera", f"{HERE}/tasks/")
    page.locator(".env").click()
    page.get_by_role("link", name="Staging").click()
    expect(page.locator(".env")).to_contain_text("staging")
    expect(page.get_by_role("heading", name="Tasks", exact=True)).to_be_visible()
    assert page.url.endswith("/harbor/staging/tasks/")
