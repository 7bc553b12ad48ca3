"""A browser before a live brain; every page it opens is watched for what a page must never do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.brain import Brain
from tests.browser.shop import Worker
from tests.store import Store

CHROMIUM = Path(os.environ.get("Z4J_TEST_CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
    window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""

expect.set_options(timeout=10_000)


@dataclass
class Watch:
    """What went wrong in the pages of a context. A test fails by it when it ends. `refused`: it asks for what is
    refused, of which the browser's console tells too.
    """

    origin: str
    refused: bool = False
    faults: list[str] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def page(self, page: Page) -> None:
        self.pages.append(page)
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", lambda request: self._asked(request.url))

    def check(self) -> None:
        for page in self.pages:
            if not page.is_closed() and page.url.startswith(self.origin):
                self.faults += [f"policy: {text}" for text in page.evaluate("window.violations ?? []")]
        assert not self.faults

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not (self.refused and "status of 400" in text):
            self.faults.append(f"console: {text}")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.faults.append(f"external: {url}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is missing.")
        pytest.skip(f"{CHROMIUM} is missing; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def brain(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brain]:
    """One live brain for all tests of a run: each makes tasks of its own and looks at those."""
    brain = Brain(store, tmp_path_factory.mktemp("browser") / "brain")
    brain.start()
    yield brain
    brain.close()


@pytest.fixture
def worker(brain: Brain) -> Worker:
    return Worker(brain).online()


@pytest.fixture
def visit(browser: Browser, brain: Brain) -> Iterator[Callable[..., Page]]:
    """Open a page as one of the cast: visit("oscar", "/harbor/production/tasks/", width=390)."""
    opened: list[tuple[BrowserContext, Watch]] = []

    def visit(
        who: str, path: str, *, width: int = 1440, height: int = 900, refused: bool = False, **options: object
    ) -> Page:
        context = browser.new_context(
            base_url=brain.url, viewport={"width": width, "height": height}, reduced_motion="reduce", **options
        )
        watch = Watch(brain.url, refused)
        opened.append((context, watch))
        context.add_init_script(WATCH)
        context.on("page", watch.page)
        if who:
            sign_in(context, brain, who)
        page = context.new_page()
        page.goto(path)
        return page

    yield visit
    try:
        for _, watch in opened:
            watch.check()
    finally:
        for context, _ in opened:
            context.close()


#: The cookies of who has signed in before, and when: an address signs in 30 times a minute at most, and a suite opens
#: more pages. What is dangerous takes a password that was given within ten minutes.
SIGNED_IN: dict[tuple[str, str], tuple[float, list[Any]]] = {}
FRESH = 300


def sign_in(context: BrowserContext, brain: Brain, who: str) -> None:
    """By the form's own request, without its page; again with the same session while that is in force."""
    signed_in_at, cookies = SIGNED_IN.get((brain.url, who), (0.0, []))
    context.add_cookies(cookies if time.monotonic() - signed_in_at < FRESH else [])
    if "/sign-in/" not in context.request.get("/", max_redirects=0).headers["location"]:
        return
    token = context.request.get("/sign-in/").text().split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    form = {"login": who, "password": str(brain.cast["password"]), "csrfmiddlewaretoken": token}
    answer = context.request.post("/sign-in/", form=form, headers={"Referer": brain.url}, max_redirects=0)
    assert answer.status == 302, answer.text()
    kept = [{"name": cookie["name"], "value": cookie["value"], "url": brain.url} for cookie in context.cookies()]
    SIGNED_IN[brain.url, who] = time.monotonic(), kept
