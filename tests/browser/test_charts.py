"""Charts answer to the pointer and to the keyboard, and are there without either."""

from __future__ import annotations

import re

from playwright.sync_api import expect

HERE = "/harbor/production"


def test_a_bar_is_read_out_and_opens_its_tasks(visit, worker):
    worker.task("succeeded")
    page = visit("vera", f"{HERE}/statistics/?since=15m")
    chart = page.locator("svg[data-open]")
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 20)
    expect(page.locator(".chart-read").first).to_contain_text("succeeded")
    page.mouse.click(box["x"] + box["width"] - 4, box["y"] + 20)
    expect(page).to_have_url(re.compile("/tasks/.*after=.*before="))
    expect(page.locator("#tasks-count")).to_have_text(re.compile("[1-9][0-9]* in"))


def test_a_drag_looks_closer(visit, worker):
    worker.task("succeeded")
    page = visit("vera", f"{HERE}/statistics/?since=6h")
    box = page.locator("svg[data-open]").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 20, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("/statistics/.*after=.*before="))
    expect(page.locator("svg[data-open]")).to_be_visible()


def test_a_chart_is_there_without_script_and_as_a_table(visit, worker):
    worker.task("succeeded")
    page = visit("vera", f"{HERE}/statistics/?since=15m", java_script_enabled=False)
    expect(page.locator("svg[data-chart] .f-succeeded").first).to_be_attached()
    page.get_by_role("link", name="As a table").click()
    page.locator("td.end a").first.click()
    expect(page.get_by_role("heading", name="Tasks", exact=True)).to_be_visible()
