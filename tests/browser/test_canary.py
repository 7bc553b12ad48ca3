"""No page shows what a task was given, what it said or how it failed before somebody asks: not in its picture, nor in
its source, its title, its address or what it keeps. The pictures are in .z4j/screenshots, for people.
"""

from __future__ import annotations

import html
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Error, Page, expect
from z4j_core.redaction import Redactor

from tests.brain import ROOT, Brain
from tests.browser.conftest import sign_in
from tests.browser.shop import Worker, now
from tests.live.canaries import Call, Finder, Sack, refuse
from tests.live.canaries_panel import LINK, book, kind

HERE = "/harbor/staging/"
PICTURES = ROOT / ".z4j" / "screenshots"
#: Calls whose tasks are looked at.
SHOWN = ("now1", "refused1")
#: All that a page says to anybody or keeps for itself.
SAID = """() => [
    document.title, location.href, document.body.innerText, document.documentElement.outerHTML,
    ...[...document.querySelectorAll("*")].flatMap((element) => [...element.attributes].map(({ value }) => value)),
    ...[...document.querySelectorAll("input, textarea, select")].map(({ value }) => value),
    ...[localStorage, sessionStorage].map((kept) => JSON.stringify({ ...kept })), document.cookie,
].join("\\n")"""


@pytest.fixture(scope="module")
def sack(brain: Brain) -> Sack:
    """What has been through a worker's tasks, and was told as an agent in `redact` tells it."""
    sack = Sack(uuid.uuid4().hex[:8], "celery")
    worker = Worker(brain, "staging", "till-1").online()
    for name, call in sack.calls.items():
        told_of(worker, name, call)
    worker.queue("till", depth=7)
    return sack


@contextmanager
def opened(browser: Browser, brain: Brain, who: str) -> Iterator[Page]:
    """A page of theirs. Whose session has asked for values, is shown them for a while."""
    context = browser.new_context(base_url=brain.url, viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    try:
        sign_in(context, brain, who)
        yield context.new_page()
    finally:
        context.close()


def told_of(worker: Worker, name: str, call: Call) -> None:
    redactor, task_id = Redactor("redact"), str(uuid.uuid4())
    names = ("order", "card_number") if call.told else ("user", "password", "note")
    args, kwargs, _ = redactor.call(names, call.args, call.kwargs)
    base = {"engine": "celery", "task_id": task_id, "name": f"shop.{name}", "queue": "till", "attempt": 0}
    worker.tell("task.enqueued", **base, args=args, kwargs=kwargs, vault="v1")
    base |= {"run": now()}
    worker.tell("task.started", **base, worker=worker.name)
    if call.told:
        for attempt, end in ((0, "retrying"), (1, "failed")):
            worker.tell(f"task.{end}", **base, worker=worker.name, error=_error(redactor, call, attempt))
    else:
        worker.tell("task.succeeded", **base, worker=worker.name, result=redactor.value(call.result)[0], runtime_ms=3)
    worker.send()


def _error(redactor: Redactor, call: Call, attempt: int) -> dict[str, str]:
    try:
        refuse(call, attempt)
    except ConnectionError as error:
        return dict(redactor.error(error))
    raise AssertionError


def test_no_page_shows_a_canary_before_somebody_asks_for_it(browser, brain, sack):
    """One of each kind, with filters and without; of tasks the one that ended well and the one that did not."""
    finder, leaks, seen = Finder(sack.laid), {}, Counter()
    PICTURES.mkdir(parents=True, exist_ok=True)
    waiting = [path for path in book(HERE) if "<" not in path] + [address(brain, name) for name in SHOWN]
    with opened(browser, brain, "olive") as page:
        while waiting:
            path = waiting.pop(0)
            name, filters = kind(path, HERE)
            most = len(SHOWN) if (name, filters) == ("task", frozenset()) else 1
            if not name or path in seen or seen[name, bool(filters)] >= most:
                continue
            seen.update([path, (name, bool(filters))])
            said = look(page, path, f"{name}-{'filtered' if filters else seen[name, False]}")
            if found := finder.found(said):
                leaks[path] = found
            waiting += [urljoin(path, html.unescape(link)) for link in LINK.findall(said)]

    assert not leaks, f"with the seed {sack.seed}"
    assert {f"{HERE}{name}/" for name in ("tasks", "queues", "workers", "statistics", "audit")} <= seen.keys()
    assert {address(brain, name) for name in SHOWN} <= seen.keys()


def look(page: Page, path: str, name: str) -> str:
    """All that a page says, whose picture is kept; of a file, what is in it."""
    try:
        answer = page.goto(path)
    except Error:  # a browser takes a file in instead of showing it
        return page.context.request.get(path).text()
    assert answer
    if answer.ok:
        page.screenshot(path=PICTURES / f"{name.replace(' ', '-')}.png", full_page=True)
    return answer.text() + page.evaluate(SAID)


def address(brain: Brain, name: str) -> str:
    row = Worker(brain, "staging").listed(f"tasks/?name=shop.{name}")[0]["id"]
    return f"{HERE}tasks/{row}/"


def test_what_is_harmless_is_shown_to_who_asked_for_it_and_no_secret_then_either(browser, brain, sack):
    harmless = Finder(sack.harmless)
    with opened(browser, brain, "adam") as page:
        for name in SHOWN:
            page.goto(address(brain, name))
            page.get_by_role("button", name="Ask to show").first.click()
            page.locator("#show-why").fill("to see what it was given")
            page.get_by_role("button", name="Show, recorded", exact=True).click()
            expect(page.get_by_role("button", name="Hide again").first).to_be_visible()
            said = page.evaluate(SAID)
            told = {canary.place for canary in sack.harmless if canary.place.startswith(name)}
            assert {place.partition("/")[2] for place in harmless.found(said)} == told - {f"{name}/attempt1/mark"}
            assert not Finder(sack.secrets).found(said), f"with the seed {sack.seed}"
