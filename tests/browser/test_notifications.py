"""A page tells by itself what its reader has to know: in the tray, by a toast of what is theirs, and when it is old."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

HERE = "/harbor/production"
LIVE = '[data-live-word]:text-is("Live")'


def retry(page, worker, name):
    """Ask for a retry of a task of this name, and go on to another page."""
    page.goto(f"{HERE}/tasks/{worker.row(worker.task('failed', name=name))}/")
    page.locator("#do-retry").click()
    page.get_by_role("button", name=re.compile("^Retry")).last.click()
    expect(page).to_have_url(re.compile("/operations/|/tasks/"))
    page.goto(f"{HERE}/queues/")


@pytest.mark.parametrize("socket", [True, False], ids=["websocket", "blocked"])
def test_an_operation_of_ones_own_that_ends_is_told_where_one_is(visit, worker, socket):
    name = f"shop.told_{socket}".lower()
    page = visit("oscar", f"{HERE}/queues/")
    if not socket:
        page.route_web_socket("**/ws/", lambda blocked: blocked.close())
    retry(page, worker, name)
    expect(page.locator("[data-live-word]")).to_have_text("Live" if socket else "Every 10 seconds")

    (command,) = worker.asked(name)
    worker.answer(command)

    toast = page.locator(".toast")
    expect(toast).to_contain_text("Retry 1 task: succeeded", timeout=25_000)
    expect(toast).to_contain_text("1 done")
    expect(page.locator("[data-tray-count]")).to_be_visible()
    toast.get_by_role("link", name="Open").click()
    expect(page).to_have_url(re.compile("/operations/"))


def test_the_tray_opens_by_its_key_and_what_was_read_stays_read(visit, worker):
    page = visit("oscar", f"{HERE}/queues/")
    retry(page, worker, "shop.tray")
    (command,) = worker.asked("shop.tray")
    worker.answer(command)
    expect(page.locator(".toast")).to_be_visible(timeout=25_000)

    page.keyboard.press("b")
    tray = page.locator("[data-tray]")
    expect(tray.get_by_text("Retry 1 task: succeeded").first).to_be_visible()
    tray.get_by_role("button", name="Mark all read").click()
    expect(page.locator("[data-tray-count]")).to_be_hidden()
    page.reload()
    page.keyboard.press("b")
    expect(tray.get_by_text("Retry 1 task: succeeded").first).to_be_visible()
    expect(page.locator("[data-tray-count]")).to_be_hidden()


def test_a_page_that_hears_nothing_any_more_says_since_when(visit):
    page = visit("vera", f"{HERE}/tasks/")
    page.route_web_socket("**/ws/", lambda blocked: blocked.close())
    page.goto(f"{HERE}/tasks/")
    page.evaluate("() => { window.kept = fetch; window.fetch = () => Promise.reject(new TypeError('away')); }")

    expect(page.locator("[data-stale]")).to_be_visible(timeout=40_000)
    expect(page.locator("[data-live-word]")).to_have_text("No answer")
    page.evaluate("() => { window.fetch = window.kept; }")
    expect(page.locator("[data-stale]")).to_be_hidden(timeout=20_000)


def test_the_palette_finds_a_queue_an_operation_and_something_to_do(visit, worker):
    worker.queue("invoices", depth=3)
    page = visit("oscar", f"{HERE}/workers/")
    page.keyboard.press("Control+k")
    page.keyboard.type("invoic")
    expect(page.locator("#palette-found").get_by_role("option", name="invoices")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/queues/\d+/"))

    page.keyboard.press("Control+k")
    page.keyboard.type("run the doc")
    expect(page.get_by_role("option", name="Run the doctor")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/doctor/"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"/queues/\d+/"))
    expect(page).to_have_title("invoices, harbor / production · z4j")


def test_enter_in_the_palette_waits_for_the_places_that_have_yet_to_come(visit):
    page = visit("oscar", f"{HERE}/workers/")

    def late(route):
        time.sleep(1.5)
        route.continue_()

    page.route("**/jump/?places=1", late)
    page.keyboard.press("Control+k")
    page.keyboard.type("schedul")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/schedules/$"))

    page.unroute("**/jump/?places=1")
    page.route("**/jump/?places=1", lambda route: route.fulfill(status=204))
    expect(page.locator(LIVE)).to_be_visible()  # then its script has loaded
    page.keyboard.press("Control+k")
    page.keyboard.type("schedul")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/tasks/\?q=schedul"))


def test_the_sheet_of_keys_says_those_of_the_page_too(visit, worker):
    task = worker.row(worker.task("failed", name="shop.keys"))
    page = visit("oscar", f"{HERE}/tasks/{task}/")
    page.keyboard.press("?")
    here = page.locator("[data-keys-here]")
    expect(here).to_contain_text("Retry")
    keys = page.locator("main [data-key]").evaluate_all("all => all.map((one) => one.dataset.key)")
    assert here.locator("kbd").all_inner_texts() == keys


@pytest.mark.parametrize("path", ["/", "/tasks/", "/statistics/", "/workers/"])
def test_on_paper_a_page_is_its_content_alone(visit, worker, path):
    worker.task("failed")
    page = visit("vera", f"{HERE}{path}")
    page.emulate_media(media="print")
    expect(page.locator("h1")).to_be_visible()
    for part in (".nav", ".topbar", ".segments", ".button"):
        assert not any(one.is_visible() for one in page.locator(part).all()), part


@pytest.mark.parametrize("path", ["/", "/tasks/", "/statistics/", "/doctor/", "/notifications/"])
def test_on_the_widest_screen_no_line_of_text_is_too_long_and_tables_use_the_room(visit, worker, path):
    worker.task("failed")
    page = visit("vera", f"{HERE}{path}", width=2560, height=1200)
    widths = page.locator("main p").evaluate_all("all => all.map((one) => one.getBoundingClientRect().width)")
    assert all(width <= 970 for width in widths)
    for table in page.locator("main > * .table, main > .table-wrap .table").all():
        assert table.bounding_box()["width"] > 1200
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
