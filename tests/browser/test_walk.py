"""Every page, walked by every role along the links that it sees: each opens, and each page is for everybody."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import resolve
from playwright.sync_api import Page, expect

from tests.brain import Brain
from tests.browser.offences import offences, serious
from tests.panel.test_pages import MEMBERS, NO_PAGE
from tests.store import ROOT, Store
from z4j_brain.panel import urls

HERE = "/harbor/production/"
#: Leads out of the session that walks.
OUT = "account_logout"
#: Answers that pages ask for by themselves, and files: nobody looks at them.
PARTS = {"task-words", "schedule-words", "tray", "task-columns", "task-export", "operation-export"}
PAGES = {pattern.name for pattern in urls.inside} - set(NO_PAGE) - PARTS
#: What tells one row or one environment from another.
PLACE = ("id", "project", "environment")
#: Everybody sees at least so many.
FEWEST = 15
#: A bad line: ms, and bytes a second.
SLOW = {"offline": False, "latency": 200, "downloadThroughput": 100_000, "uploadThroughput": 50_000}


@pytest.fixture(scope="module")
def brain(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brain]:
    """One of its own, with something of each kind in it."""
    brain = Brain(store, tmp_path_factory.mktemp("walk") / "brain")
    command = [sys.executable, "-m", "tests.browser.furnished"]
    subprocess.run(command, cwd=ROOT, env=brain.environment(), check=True)
    brain.start()
    yield brain
    brain.close()


class Walk:
    """Along all links that `page` sees: each kind of address is asked for, and each page looked at, once."""

    def __init__(self, page: Page, look: Callable[[Page], None]) -> None:
        self.page, self.look = page, look
        self.asked: set[object] = set()
        self.opened: set[str] = set()
        self.shut: list[str] = []
        self._pages: set[object] = set()
        self._ahead = [HERE]

    def go(self) -> Walk:
        while self._ahead:
            self.page.goto(self._ahead.pop(0))
            self.look(self.page)
            for address in self._links():
                if kind(address) not in self.asked:
                    self.asked.add(kind(address))
                    self._ask(address)
        return self

    def _links(self) -> list[str]:
        here = urlsplit(self.page.url)
        hrefs = self.page.evaluate("[...document.querySelectorAll('a[href]')].map(link => link.href)")
        links = [parts for href in hrefs if (parts := urlsplit(href))[:2] == here[:2]]
        return [parts._replace(scheme="", netloc="", fragment="").geturl() for parts in links]

    def _ask(self, address: str) -> None:
        """It opens; and where it is a page that was not seen before, the walk comes to it."""
        name, about, _ = kind(address)
        if name == OUT:
            return
        answer = self.page.context.request.get(address)
        if answer.status != 200:
            self.shut.append(f"{answer.status} {address} on {self.page.url}")
        elif answer.headers["content-type"].startswith("text/html") and (name, about) not in self._pages:
            self._pages.add((name, about))
            self.opened.add(name)
            self._ahead.append(address)


def kind(address: str) -> tuple[str, Any, Any]:
    """Its name, what it is about unless that is a row or a place, and which things its query says."""
    parts = urlsplit(address)
    match = resolve(parts.path)
    about = tuple(sorted(item for item in match.kwargs.items() if item[0] not in PLACE))
    return str(match.url_name), about, frozenset(parse_qs(parts.query))


@pytest.mark.parametrize("who", MEMBERS)
def test_every_page_that_somebody_sees_opens_and_is_for_everybody(who, visit):
    found: list[str] = []

    def look(page: Page) -> None:
        for width, scheme in ((1440, "light"), (1440, "dark"), (390, "dark"), (390, "light")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            wrong = offences(page)
            if (width, scheme) != (390, "dark"):
                wrong["axe"] = serious(page, colours=who == "olive" and width > 390)
            found.extend(f"{page.url} {width} {scheme} {name}: {what}" for name, what in wrong.items() if what)

    walk = Walk(visit(who, HERE), look).go()
    assert not walk.shut
    assert not found, "\n".join(found)
    assert len(walk.opened) >= FEWEST
    if who == "olive":
        assert sorted(PAGES - walk.opened) == []  # else there is a page that nothing leads to


def test_every_page_works_on_a_bad_line_whose_websocket_is_blocked(visit):
    page = visit("olive", HERE)
    page.route_web_socket("**/ws/", lambda socket: socket.close())
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)

    def look(page: Page) -> None:
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator("html")).not_to_have_attribute("data-live", "live")

    walk = Walk(page, look).go()
    assert not walk.shut
    assert sorted(PAGES - walk.opened) == []


def test_in_german_every_page_is_in_german_and_fits_a_phone(visit):
    found: list[str] = []

    def look(page: Page) -> None:
        found.extend(f"{page.url} {name}: {what}" for name, what in offences(page).items() if what)
        expect(page.locator("html")).to_have_attribute("lang", "de")

    walk = Walk(visit("olive", HERE, width=390, locale="de-DE"), look).go()
    assert not walk.shut
    assert not found, "\n".join(found)
    assert sorted(PAGES - walk.opened) == []
