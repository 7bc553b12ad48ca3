"""A retry of many, from the list of what failed to the undo, by keys alone; and what a page says when it refuses."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.shop import Worker
from tests.browser.test_keyboard import tab_to
from tests.gateway.conftest import execute

TASKS = "/harbor/production/tasks/"
LIVE = '[data-live-word]:text-is("Live")'
TOTAL = 12


def press(page: Page, selector: str, key: str = "Enter") -> None:
    tab_to(page, selector)
    page.keyboard.press(key)


def write(page: Page, selector: str, text: str) -> None:
    tab_to(page, selector)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def described(page: Page) -> str:
    """What is read out with the field that has the focus."""
    return str(
        page.evaluate("""() => (document.activeElement.getAttribute("aria-describedby") ?? "").split(" ")
            .map((id) => document.getElementById(id)?.textContent ?? "").join(" ")""")
    )


def moves(page: Page, told: str) -> None:
    """The progress comes to say so, and the page is still the one it was."""
    expect(page.locator(".progress-now")).to_contain_text(told)
    assert page.evaluate("window.same") is True


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_many_are_retried_watched_stopped_and_taken_back_by_keys_alone(width, scheme, visit, brain):
    worker, name = Worker(brain, name=f"bulk-{width}-{scheme}").online(), f"shop.bulk_{width}_{scheme}"
    for _ in range(TOTAL):
        worker.task("failed", name=name)
    page = visit("oscar", f"{TASKS}?state=failed&name={name}&since=1h", width=width, color_scheme=scheme)

    preview(page, name)
    choose(page, worker, name)
    press(page, "#do")
    watch(page, worker, name)
    stop(page, worker, name)
    address = page.url
    take_back(page, worker, name)
    page.goto(address)
    ask_again(page, worker, name)


def preview(page: Page, name: str) -> None:
    """From the menu of all tasks of a list: the numbers are those of the list."""
    expect(page.locator("#tasks-count")).to_contain_text(f"{TOTAL} in")
    press(page, "summary:has(use[href$='zap'])")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"Retry {TOTAL} tasks?")
    expect(page.locator(".facts dd").first).to_have_text(str(TOTAL))
    expect(page.locator(".bars li", has_text=name)).to_contain_text(str(TOTAL))
    expect(page.locator(".facts")).to_contain_text("a second")


def choose(page: Page, worker: Worker, name: str) -> None:
    """Pace, when to stop and the reason. Enter in a field previews again, and does nothing."""
    press(page, "details.more summary")
    write(page, "#option-rate", "-4")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nothing was asked for")
    expect(page.locator("#option-rate")).to_be_focused()
    assert "greater than or equal to 0.01" in described(page) and "Targets a second" in described(page)
    page.keyboard.press("Control+a")
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    expect(page.locator(".facts")).to_contain_text("at 4 a second")
    write(page, "#option-stop_after", "4")
    write(page, "#reason", "the relay is back")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("#reason")).to_have_value("the relay is back")
    expect(page.locator("#option-stop_after")).to_have_value("4")
    expect(page.locator("#do")).to_have_text(f"Retry {TOTAL} tasks")
    assert worker.asked(name, 0) == []


def watch(page: Page, worker: Worker, name: str) -> None:
    """It goes, before one's eyes; it is held, and goes on."""
    expect(page.locator("h1")).to_have_text(f"Retry {TOTAL} tasks")
    expect(page.locator(".lead q").first).to_have_text("the relay is back")
    expect(page.locator(LIVE)).to_have_count(1)
    page.evaluate("window.same = true")
    worker.answer(worker.asked(name)[0])
    moves(page, f"4 of {TOTAL}")
    press(page, "#do-pause")
    expect(page.locator("#operation-head .state")).to_have_text("Paused")
    assert worker.asked(name, 2) == []
    press(page, "#do-resume")
    expect(page.locator("#operation-head .state")).to_have_text("Running")


def stop(page: Page, worker: Worker, name: str) -> None:
    """It stops by itself, and says why; the rest is taken back."""
    expect(page.locator(LIVE)).to_have_count(1)
    page.evaluate("window.same = true")
    worker.answer(worker.asked(name)[0], "failed")
    moves(page, f"8 of {TOTAL}")
    expect(page.locator("#operation-head .state")).to_have_text("Paused")
    expect(page.locator("#operation-notice")).to_contain_text("4 failures")
    press(page, "#do-cancel")
    expect(page.locator("#operation-outcomes")).to_contain_text("Not sent4")
    assert worker.asked(name, 0) == []


def take_back(page: Page, worker: Worker, name: str) -> None:
    """What was enqueued is asked to stop."""
    press(page, ".undo button")
    expect(page.locator("h1")).to_have_text("Cancel 4 tasks")
    expect(page.locator("main")).to_contain_text("It takes back operation")
    [command] = worker.asked(name)
    assert (command["verb"], len(command["targets"])) == ("cancel", 4)
    worker.answer(command, "requested")


def ask_again(page: Page, worker: Worker, name: str) -> None:
    """What failed is asked for once more."""
    press(page, "#do-failed")
    expect(page.locator("h1")).to_have_text("Retry 4 tasks?")
    press(page, "#do")
    expect(page.locator("h1")).to_have_text("Retry 4 tasks")
    expect(page.locator("main")).to_contain_text("It asks once more for targets of operation")
    worker.answer(worker.asked(name)[0])
    expect(page.locator("#operation-head .state")).to_have_text("Succeeded")


@pytest.fixture
def strict(brain):
    """Staging asks for a reason."""
    asks = "UPDATE rbac_environment SET reason_required = ? WHERE slug = 'staging'"
    execute(brain, asks, True)
    yield
    execute(brain, asks, False)


@pytest.mark.usefixtures("strict")
def test_an_environment_that_asks_for_a_reason_gets_none_without(visit, brain):
    worker = Worker(brain, "staging").online()
    row = worker.row(worker.task("failed"))
    page = visit("oscar", f"/harbor/staging/tasks/{row}/", refused=True)
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("document.activeElement.validity.valueMissing")
    page.goto(f"/harbor/staging/operations/new/task.retry/?target={row}")
    press(page, "#do")
    expect(page.get_by_role("alert")).to_contain_text("Nothing was asked for")
    expect(page.locator("#reason")).to_be_focused()
    assert "This environment asks for it" in described(page)
    page.keyboard.type("the relay is back")
    press(page, "#do")
    expect(page.locator(".lead q")).to_have_text("the relay is back")


def entries(page: Page, summary: str) -> dict[str, Any]:
    """What the arrow keys come by in a menu, with the reason where it cannot be chosen."""
    tab_to(page, summary)
    found: dict[str, Any] = {}
    while True:
        page.keyboard.press("ArrowDown")
        name, why = page.evaluate("""() => {
            const entry = document.activeElement, why = entry.querySelector("small")?.textContent ?? "";
            const name = entry.textContent.trim();
            return [why ? name.slice(0, -why.length) : name, entry.ariaDisabled === "true" ? why : null];
        }""")
        if name in found:
            return found
        found[name] = why


def test_menus_of_queues_and_workers_say_why_not_to_the_keyboard(visit, worker):
    worker.queue("emails", depth=3)
    page = visit("olive", "/harbor/production/queues/")
    found = entries(page, "summary[aria-label='Actions for emails']")
    assert "Z4J_ALLOW" in found["Purge"] and found["Pause"]
    page.keyboard.press("Escape")
    expect(page.locator("summary[aria-label='Actions for emails']")).to_be_focused()

    mine = Worker(worker.brain, name="mail-menus").online().listed("workers/?name=mail-menus")  # others may be silent
    page.goto(f"/harbor/production/workers/{mine[0]['id']}/")
    found = entries(page, ".page-head details.menu summary")
    assert "The pool is solo" in found["Add slots"]


def test_a_chosen_entry_of_a_menu_opens_its_question(visit, brain):
    worker = Worker(brain, "staging", allowed=["purge"]).online()
    worker.queue("emails", depth=3)
    page = visit("olive", "/harbor/staging/queues/", refused=True)
    tab_to(page, "summary[aria-label='Actions for emails']")
    while "Purge" not in page.evaluate("document.activeElement.textContent"):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("queue.purge"))
    write(page, "#confirm", "4")
    press(page, "#do")
    expect(page.locator("#confirm")).to_be_focused()
    assert "Type 3" in described(page)
    page.keyboard.type("3")
    press(page, "#do")
    expect(page.locator("h1")).to_have_text("Purge 1 queue")
