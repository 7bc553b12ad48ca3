"""The panel without a pointer."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

LIST = "/harbor/production/tasks/"


def tab_to(page: Page, selector: str) -> None:
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def test_sign_in_open_a_task_and_retry_it_with_keys_alone(brain, visit, worker):
    row = worker.row(worker.task("failed", name="shop.by_keyboard"))
    page = visit("", f"{LIST}?name=shop.by_keyboard")
    page.keyboard.type("oscar")
    page.keyboard.press("Tab")
    page.keyboard.type(brain.cast["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()

    tab_to(page, f"#task-{row} td a")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/tasks/{row}/$"))
    page.keyboard.press("r")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.type("the relay is back")
    page.keyboard.press("Enter")

    expect(page.locator("#task-asked")).to_contain_text("Retry requested, a worker has not answered yet")
    expect(page.locator("#task-asked")).to_contain_text("Asked by oscar")
    expect(page.locator("#task-touches")).to_contain_text("the relay is back")


def test_rows_are_walked_picked_and_opened_by_single_keys(visit, worker):
    rows = [worker.row(worker.task("failed", name="shop.by_rows")) for _ in range(3)]
    page = visit("oscar", f"{LIST}?name=shop.by_rows")
    for key in ("j", "x", "j", "j", "Shift+X"):
        page.keyboard.press(key)
    expect(page.locator("[data-selection]")).to_contain_text("3 selected")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/tasks/{rows[1]}/$"))


def test_several_are_retried_by_one_operation(visit, worker):
    for _ in range(2):
        worker.task("failed", name="shop.by_two")
    page = visit("oscar", f"{LIST}?name=shop.by_two")
    page.get_by_label("Select all tasks on this page").check()
    page.locator("[data-selection]").get_by_role("button", name="Retry").click()
    page.get_by_role("button", name="Retry 2 tasks").click()
    expect(page.get_by_role("heading", name="Retry 2 tasks")).to_be_visible()
    expect(page.locator("#operation-items")).to_contain_text("Waiting")


def test_ctrl_k_finds_a_task_by_its_id_and_a_page_by_its_name(visit, worker):
    task_id = worker.task("succeeded")
    page = visit("vera", LIST)
    page.keyboard.press("Control+k")
    page.keyboard.type(task_id)
    expect(page.locator("[data-found]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("shop.send_receipt")
    page.keyboard.press("Control+k")
    page.keyboard.type("work")
    expect(page.locator("#go-workers")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Workers")


def test_g_and_a_letter_go_places_and_a_question_mark_tells_them(visit):
    page = visit("vera", LIST)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Show new rows")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.locator("h1")).to_have_text("Operations")


def test_a_disabled_action_tells_its_reason_to_the_keyboard(visit, worker):
    row = worker.row(worker.task("succeeded"))
    page = visit("oscar", f"{LIST}{row}/")
    tab_to(page, "#no-cancel button")
    expect(page.get_by_role("tooltip")).to_have_text("Already succeeded, nothing to cancel.")
