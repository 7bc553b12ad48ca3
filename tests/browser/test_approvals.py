"""Two people and one request, by keys alone on a narrow screen: one asks, the other finds it, looks, and says yes."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.browser.shop import Worker
from tests.browser.test_bulk import press, write

PLACE = "/harbor/staging/"
TOTAL = 3


def test_one_asks_and_another_approves_by_keys_alone(visit, brain):
    worker, name = Worker(brain, "staging", name="approved-1").online(), "shop.approved"
    for _ in range(TOTAL):
        worker.task("failed", name=name)
    policy = {"rules": {"*": TOTAL - 1}, "reason": "a test of two people"}
    answer = brain.request("PATCH", f"/api/v1{PLACE}approval-policy/", policy, who="olive")
    assert (answer[0], json.loads(answer[2])["standing"]["is_active"]) == (200, True)

    adam = visit("adam", f"{PLACE}operations/new/task.retry/?state=failed&name={name}&since=1h", width=390)
    expect(adam.locator("#takes-two")).to_contain_text("olive")
    write(adam, "#reason", "the relay is back")
    press(adam, "#do")
    expect(adam.locator("#operation-head .state")).to_have_text("Awaiting approval")
    expect(adam.locator("#operation-approval")).to_contain_text("somebody else answers: olive")
    expect(adam.locator("#do-approve")).to_have_count(0)
    assert worker.asked(name, 1) == []

    olive = visit("olive", f"{PLACE}approvals/", width=390)
    expect(olive.locator("#nav-approvals")).to_contain_text("1")
    press(olive, "#approval-list tbody a")
    expect(olive.locator("#operation-approval")).to_contain_text("It waits for you")
    expect(olive.locator("#operation-approval")).to_contain_text("the relay is back")
    expect(olive.locator("#operation-approval .bars li", has_text=name)).to_contain_text(str(TOTAL))
    assert olive.evaluate("document.documentElement.scrollWidth") <= 390
    press(olive, "#do-approve")
    expect(olive.locator("#operation-approval")).to_contain_text("Approved by olive")

    expect(adam.locator("#operation-approval")).to_contain_text("Approved by olive")
    worker.answer(worker.asked(name)[0])
    expect(adam.locator(".progress-now")).to_contain_text(f"{TOTAL} of {TOTAL}")
