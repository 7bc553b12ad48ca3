"""Pages that change by themselves: by websocket, by polling without one, and not for who may no longer see them."""

from __future__ import annotations

import base64
import os
import socket

import pytest
from playwright.sync_api import expect

from tests.browser.shop import Worker, now

LIST = "/harbor/production/tasks/"
CONNECT = "/island/production/connect/?with=celery"
LIVE = '[data-live-word]:text-is("Live")'


def test_a_new_task_waits_behind_a_row_until_it_is_asked_for(visit, worker):
    first = worker.row(worker.task(name="shop.live_list"))
    page = visit("vera", f"{LIST}?name=shop.live_list")
    expect(page.locator(LIVE)).to_be_visible()

    second = worker.row(worker.task(name="shop.live_list"))

    bar = page.get_by_role("button", name="1 new, show")
    expect(bar).to_be_visible()
    expect(page.locator(f"#task-{second}")).to_have_count(0)
    bar.click()
    expect(page.locator(f"#task-{second} ~ #task-{first}")).to_be_visible()
    expect(page.locator("#tasks-count")).to_contain_text("2 in")


def test_a_row_on_the_screen_changes_in_place_and_stays_picked(visit, worker):
    task_id = worker.task("queued", name="shop.live_row")
    row = f"#task-{worker.row(task_id)}"
    page = visit("oscar", f"{LIST}?name=shop.live_row")
    page.locator(f"{row} input").check()
    expect(page.locator(LIVE)).to_be_visible()

    worker.end("succeeded", task_of(task_id, "shop.live_row"))
    worker.send()

    expect(page.locator(row)).to_contain_text("Succeeded")
    assert page.locator(f"{row} input").is_checked()


def test_a_task_follows_its_own_events_at_once(visit, worker):
    task_id = worker.task("started", name="shop.live_task")
    page = visit("oscar", f"{LIST}{worker.row(task_id)}/")
    expect(page.locator(LIVE)).to_be_visible()

    worker.end("failed", task_of(task_id, "shop.live_task"))
    worker.send()

    expect(page.locator("#task-head .state")).to_have_text("Failed", timeout=4000)
    expect(page.locator("#task-error")).to_contain_text("smtplib.SMTPServerDisconnected: a message")
    expect(page.locator("#do-retry")).to_be_visible()


def test_without_a_websocket_a_page_polls_and_says_so(browser, brain, visit, worker):
    task_id = worker.task("started", name="shop.polled")
    page = visit("oscar", "/harbor/production/workers/")
    page.route_web_socket("**/ws/", lambda blocked: blocked.close())
    page.goto(f"{LIST}{worker.row(task_id)}/")
    expect(page.locator("[data-live-word]")).to_have_text("Every 10 seconds")

    worker.end("succeeded", task_of(task_id, "shop.polled"))
    worker.send()

    expect(page.locator("#task-head .state")).to_have_text("Succeeded", timeout=15_000)


def test_a_paused_page_stays_as_it_is(visit, worker):
    page = visit("vera", f"{LIST}?name=shop.paused")
    expect(page.locator(LIVE)).to_be_visible()
    page.locator("summary:has([data-live-word])").click()
    page.get_by_role("menuitemradio", name="Paused").click()
    worker.task(name="shop.paused")
    page.wait_for_timeout(7000)
    expect(page.locator("[data-live-word]")).to_have_text("Paused")
    expect(page.locator("tbody")).to_have_count(0)


def test_the_steps_of_the_first_run_turn_by_themselves_with_a_websocket_and_without(brain, visit):
    page = visit("stan", CONNECT)  # where no other test has a worker
    polling = visit("stan", CONNECT)
    polling.route_web_socket("**/ws/", lambda blocked: blocked.close())
    polling.goto(CONNECT)
    expect(page.locator("#waiting")).to_be_visible()
    expect(polling.locator("#step-install")).to_have_class("step now")
    page.get_by_role("button", name="Make another key").click()
    dsn = page.locator("#body-key code")
    expect(dsn).to_contain_text("export Z4J_DSN=")
    shown = dsn.inner_text()
    expect(page.locator(LIVE)).to_be_visible()
    expect(polling.locator("[data-live-word]")).to_have_text("Every 10 seconds")

    worker = Worker(brain, name="first-one", project="island").online()

    # The page reads itself anew at most every 5 seconds.
    for each in (page, polling):
        expect(each.locator("#heard")).to_contain_text("first-one is connected", timeout=15_000)
        expect(each.locator("#step-install")).to_have_class("step done")
        expect(each.locator("#step-start")).to_have_class("step done")
        expect(each.locator("#step-task")).to_have_class("step now")
    worker.task("succeeded", name="shop.first")
    for each in (page, polling):
        expect(each.locator("#seen")).to_contain_text("shop.first is seen", timeout=15_000)
        expect(each.locator("#step-task")).to_have_class("step done")
    assert dsn.inner_text() == shown


def test_whoever_signs_out_hears_nothing_more(brain, visit, worker):
    page = visit("vera", LIST)
    expect(page.locator(LIVE)).to_be_visible()
    page.context.clear_cookies()
    other = page.context.request
    assert other.get("/").url.endswith("/sign-in/?next=/")
    worker.task(name="shop.unheard")
    expect(page.locator("[data-live-word]")).to_have_text("Signed out", timeout=15_000)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", None])
def test_a_page_of_another_origin_gets_no_socket(origin, brain, visit):
    cookie = "; ".join(f"{c['name']}={c['value']}" for c in visit("olive", LIST).context.cookies())
    assert handshake(brain, cookie, origin) in (400, 403)


def test_a_page_of_its_own_origin_gets_one(brain, visit):
    cookie = "; ".join(f"{c['name']}={c['value']}" for c in visit("olive", LIST).context.cookies())
    assert handshake(brain, cookie, brain.url) == 101


def test_a_stranger_hears_nothing_of_an_environment(visit, brain):
    page = visit("stan", "/island/production/tasks/")
    code = page.evaluate("""() => new Promise((done) => {
        const socket = new WebSocket(`ws://${location.host}/ws/`);
        socket.onopen = () => socket.send(JSON.stringify({ subscribe: "harbor/production" }));
        socket.onmessage = ({ data }) => done(data);
        socket.onclose = ({ code }) => done(code);
    })""")
    assert code == 4404


def task_of(task_id: str, name: str) -> dict[str, object]:
    return {"engine": "celery", "task_id": task_id, "name": name, "queue": "emails", "attempt": 0, "run": now()}


def handshake(brain, cookie: str, origin: str | None) -> int:
    """The status of the answer to a websocket handshake."""
    lines = [
        "GET /ws/ HTTP/1.1",
        f"Host: 127.0.0.1:{brain.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        f"Cookie: {cookie}",
        *([] if origin is None else [f"Origin: {origin}"]),
    ]
    with socket.create_connection(("127.0.0.1", brain.port), timeout=10) as wire:
        wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(wire.recv(200).split()[1])


def test_a_queue_fills_before_ones_eyes(visit, worker):
    worker.queue("slowly", depth=3)
    page = visit("vera", "/harbor/production/queues/")
    row = page.locator("#queue-list tr", has_text="slowly")
    expect(row).to_contain_text("3")
    expect(row).to_contain_text("no worker")
    expect(page.locator(LIVE)).to_be_visible()
    worker.queue("slowly", depth=4711)
    expect(row).to_contain_text("4,711")


def test_a_hello_is_sent_by_keys_alone_and_followed(visit, worker):
    page = visit("olive", "/harbor/production/doctor/")
    expect(page.locator("#doctor-wrong")).to_contain_text("The broker of celery does not answer.")
    expect(page.locator("#doctor-advice")).to_contain_text("Set task_time_limit.")
    page.locator("#hello-celery button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#hello-celery")).to_contain_text("No agent has taken it yet")


def test_a_dead_letter_is_requeued(visit, worker):
    row = worker.row(worker.task("dead_lettered", name="shop.dead"))
    page = visit("oscar", f"/harbor/production/tasks/{row}/")
    page.keyboard.press("u")
    page.keyboard.type("the address is right now")
    page.keyboard.press("Enter")
    expect(page.locator("#task-asked")).to_contain_text("Requeue requested, a worker has not answered yet")
