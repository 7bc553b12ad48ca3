"""The list of tasks under somebody's hands: a closer look, kept views, columns, suggestions, what is new, density."""

from __future__ import annotations

import re

from playwright.sync_api import expect

LIST = "/harbor/production/tasks/"
CHART = "#task-histogram svg[data-chart]"
LIVE = '[data-live-word]:text-is("Live")'
CLOSER = re.compile("since=6h&after=.*Z&before=.*Z")


def box(page):
    page.locator(CHART).scroll_into_view_if_needed()
    return page.locator(CHART).bounding_box()


def test_a_drag_over_the_histogram_looks_closer_and_one_step_leads_back(visit, worker):
    worker.task("succeeded")
    page = visit("vera", f"{LIST}?since=6h&queue=emails")
    where = box(page)
    page.mouse.move(where["x"] + where["width"] * 0.6, where["y"] + 20)
    page.mouse.down()
    page.mouse.move(where["x"] + where["width"] - 4, where["y"] + 20, steps=4)
    expect(page.locator("#task-histogram .chart-read")).to_contain_text("let go for a closer look")
    page.mouse.up()
    expect(page).to_have_url(re.compile("queue=emails.*after=.*Z&before=.*Z"))
    expect(page.locator("#tasks-count")).to_have_text(re.compile("^[1-9].* in what ended after"))
    page.get_by_role("link", name="Back to 6h").click()
    expect(page).to_have_url(re.compile(r"tasks/\?queue=emails&since=6h$"))


def test_a_finger_drags_as_well_and_scrolls_where_it_moves_up_and_down(visit, worker):
    worker.task("succeeded")
    page = visit("vera", f"{LIST}?since=6h", width=390, has_touch=True)
    where, finger = box(page), page.context.new_cdp_session(page)
    places = [(where["x"] + where["width"] * share, where["y"] + 20) for share in (0.5, 0.7, 0.9)]
    finger.send("Input.dispatchTouchEvent", touch("touchStart", places[0]))
    for place in places[1:]:
        finger.send("Input.dispatchTouchEvent", touch("touchMove", place))
    finger.send("Input.dispatchTouchEvent", touch("touchEnd"))
    expect(page).to_have_url(CLOSER)


def test_keys_choose_bars_and_look_closer(visit, worker):
    worker.task("succeeded")
    page = visit("vera", f"{LIST}?since=6h")
    chart, read = page.locator(CHART), page.locator("#task-histogram .chart-read")
    chart.focus()
    expect(read).to_contain_text("succeeded")
    page.keyboard.press("Escape")
    expect(read).to_be_hidden()
    expect(chart).not_to_be_focused()
    chart.focus()
    for key in ("ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    expect(read).to_contain_text("press Enter for a closer look")
    page.keyboard.press("Enter")
    expect(page).to_have_url(CLOSER)


def test_what_is_held_in_the_histogram_stays_while_the_page_is_refreshed(visit, worker):
    worker.task("succeeded")
    page = visit("vera", f"{LIST}?since=6h")
    page.locator(CHART).focus()
    page.keyboard.press("Shift+ArrowLeft")
    held = page.locator("#task-histogram .brush").get_attribute("x")
    expect(page.locator(LIVE)).to_be_visible()
    count = page.locator("#tasks-count").inner_text()
    worker.task("succeeded")
    expect(page.locator("#tasks-count")).not_to_have_text(count, timeout=20_000)
    assert page.locator("#task-histogram .brush").get_attribute("x") == held


def test_without_script_the_histogram_is_a_table(visit, worker):
    worker.task("succeeded")
    page = visit("vera", f"{LIST}?since=6h", java_script_enabled=False)
    page.get_by_role("link", name="As a table").click()
    expect(page.get_by_role("heading", name="Statistics")).to_be_visible()
    expect(page.locator("td.end a").first).to_be_visible()


def test_a_view_is_kept_found_first_renamed_and_deleted(visit, worker):
    worker.task("failed")
    page = visit("adam", f"{LIST}?state=failed&queue=emails")
    page.locator("summary", has_text="Views").press("Enter")
    page.get_by_label("Keep this view as").fill("Failing mail")
    page.get_by_role("button", name="Keep view").click()
    expect(page.locator("summary", has_text="Failing mail")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?state=failed&queue=emails$"))

    page.goto(f"{LIST}views/")
    page.get_by_label("What to do with Failing mail").click()
    page.get_by_role("button", name="Find it first").click()
    expect(page.locator("td")).to_contain_text(["failed tasks in emails"])
    page.goto(LIST)
    expect(page).to_have_url(re.compile(r"\?state=failed&queue=emails$"))
    page.get_by_role("link", name="Remove filter queue emails").click()
    page.get_by_role("navigation", name="State").get_by_role("link", name="All").click()
    expect(page).to_have_url(re.compile(r"tasks/\?since=24h$"))

    page.locator("summary", has_text="Views").click()
    page.get_by_role("link", name="Rename, delete, find first").click()
    page.get_by_label("What to do with Failing mail").click()
    page.get_by_label("Name", exact=True).fill("Broken mail")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("What to do with Broken mail").click()
    page.get_by_role("button", name="Delete Broken mail").click()
    expect(page.get_by_role("heading", name="You keep no view yet")).to_be_visible()


def test_without_script_views_and_columns_have_pages(visit, worker):
    worker.task("failed")
    page = visit("audrey", f"{LIST}?state=failed", java_script_enabled=False)
    page.locator("summary", has_text="Views").click()
    page.get_by_role("link", name="Views of this list").click()
    expect(page.get_by_role("heading", name="Keep failed tasks, the last 24 hours")).to_be_visible()
    page.get_by_label("Keep this view as").fill("Failed")
    page.get_by_role("button", name="Keep view").click()
    page.locator("summary[aria-label=Columns]").click()
    page.get_by_role("link", name="Columns of this list").click()
    page.get_by_role("checkbox", name="Worker").uncheck()
    page.get_by_role("button", name="Show these").click()
    expect(page).to_have_url(re.compile(r"tasks/\?state=failed$"))
    expect(page.get_by_role("columnheader", name="Queue")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Worker")).to_have_count(0)


def test_columns_are_chosen_and_a_narrow_screen_still_folds(visit, worker):
    worker.task("succeeded", name="shop.arranged")
    page = visit("oscar", f"{LIST}?name=shop.arranged")
    page.locator("summary[aria-label=Columns]").click()
    for name in ("Ended", "Schedule", "Priority"):
        page.get_by_role("checkbox", name=name).check()
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("columnheader", name="Ended")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    page.set_viewport_size({"width": 390, "height": 800})
    expect(page.get_by_role("columnheader", name="Ended")).to_be_hidden()
    expect(page.locator("tbody .state-cell").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_suggestions_are_taken_by_keys(visit, worker):
    worker.task("succeeded", name="shop.suggested")
    page = visit("vera", LIST)
    page.keyboard.press("/")
    box, options = page.get_by_role("combobox", name="Search tasks"), page.get_by_role("option")
    expect(page.get_by_role("option", name="queue: the queue it was put into")).to_be_visible()
    page.keyboard.type("na")
    expect(options).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "word-1")
    page.keyboard.press("Enter")
    expect(box).to_have_value("name:")
    page.keyboard.type("sugg")
    expect(options).to_have_text(["shop.suggested"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(box).to_have_value("name:shop.suggested ")
    expect(box).to_be_focused()
    page.keyboard.type("state:fa")
    expect(options).to_have_text(["Failed"])
    page.keyboard.press("Escape")
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(box).to_have_value("name:shop.suggested state:fa")
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    page.keyboard.type("succeeded")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("link", name="Remove filter name shop.suggested")).to_be_visible()


def test_a_suggestion_is_taken_by_pointer_in_the_middle_of_the_text(visit, worker):
    worker.task("succeeded", queue="emails")
    page = visit("vera", LIST)
    box = page.get_by_role("combobox", name="Search tasks")
    box.fill("receipt")
    page.keyboard.press("Home")
    page.keyboard.type("queue:ema ")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Backspace")
    page.get_by_role("option", name="emails").click()
    expect(box).to_have_value("queue:emails  receipt")
    expect(page.get_by_role("listbox", name="Suggestions")).to_be_hidden()
    expect(box).to_be_focused()


def test_nothing_on_the_screen_moves_before_new_rows_are_asked_for(visit, worker):
    for _ in range(45):
        worker.task("succeeded", name="shop.still")
    page = visit("vera", f"{LIST}?name=shop.still")
    expect(page.locator(LIVE)).to_be_visible()
    places = "() => [...document.querySelectorAll('tbody tr')].map((row) => [row.id, row.getBoundingClientRect().top])"
    for down, seen in ((0, 1), (700, 2)):
        page.evaluate(f"window.scrollTo(0, {down})")
        before = page.evaluate(places)
        worker.task("failed", name="shop.still")  # the first one adds a chip, and red to the histogram
        expect(page.get_by_role("button", name=f"{seen} new, show")).to_be_visible(timeout=20_000)
        assert page.evaluate(places) == before
    page.keyboard.press("n")
    expect(page.locator("tbody tr").first).to_contain_text("SMTPServerDisconnected")
    expect(page.locator(".new-rows")).to_be_hidden()


def test_density_is_kept_by_the_browser_on_every_page(visit, worker):
    worker.task("succeeded")
    page = visit("vera", LIST)
    high = page.locator("tbody tr").first.bounding_box()["height"]
    page.get_by_label("Appearance", exact=True).first.click()
    page.get_by_role("menuitemradio", name="Compact").click()
    assert page.locator("tbody tr").first.bounding_box()["height"] < high
    for path in ("/harbor/production/queues/", "/harbor/staging/tasks/", "/account/tokens/"):
        page.goto(path)
        expect(page.locator("html")).to_have_attribute("data-density", "compact")


def touch(kind, *places):
    return {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in places]}
