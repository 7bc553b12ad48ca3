"""Second factors in a real browser: a passkey from Chromium's own virtual device, an app's codes, and the way back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Page, expect

from tests.brain import Brain
from tests.browser.conftest import WATCH, Watch

OPTIONS = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def at(browser: Browser, live_brain: Brain) -> Iterator[Callable[..., Page]]:
    """Pages of a brain of this test's own, by its name: an address alone may have no passkeys."""
    origin = live_brain.url.replace("127.0.0.1", "localhost")
    contexts: list[tuple[Any, Watch]] = []

    def at(path: str, width: int = 1440, **options: Any) -> Page:
        size: Any = {"width": width, "height": 900}
        context = browser.new_context(base_url=origin, viewport=size, reduced_motion="reduce", **options)
        watch = Watch(origin)
        contexts.append((context, watch))
        context.add_init_script(WATCH)
        context.on("page", watch.page)
        page = context.new_page()
        page.goto(path)
        return page

    yield at
    for context, watch in contexts:
        watch.check()
        context.close()


def sign_in(page: Page, brain: Brain, who: str = "olive") -> None:
    page.get_by_label("User name").fill(who)
    page.get_by_label("Password").fill(str(brain.cast["password"]))
    page.get_by_role("button", name="Sign in", exact=True).click()


def device(page: Page) -> Any:
    """A virtual device with a fingerprint that always fits."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": OPTIONS})
    return session


def test_a_passkey_is_added_and_then_signs_in_alone_and_confirms(at: Callable[..., Page], live_brain: Brain) -> None:
    page = at("/sign-in/?next=/account/")
    device(page)
    sign_in(page, live_brain)
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("this laptop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Recovery codes", level=1)).to_be_visible()
    expect(page.get_by_label("Recovery codes").get_by_role("listitem")).to_have_count(10)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("link", name="Remove this laptop")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).not_to_have_url(re.compile("sign-in"))

    page.get_by_role("button", name="Sign out").click()
    sign_in(page, live_brain)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).not_to_have_url(re.compile("sign-in"))

    page.goto("/account/confirm/?next=/account/sessions/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()


def test_without_a_device_one_is_told_and_nothing_is_sent(at: Callable[..., Page], live_brain: Brain) -> None:
    page = at("/sign-in/")
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": OPTIONS | {"isUserVerified": False}})

    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.get_by_role("alert")).to_contain_text("The browser got no passkey")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_an_app_is_added_and_its_code_signs_in(
    at: Callable[..., Page], live_brain: Brain, width: int, scheme: str
) -> None:
    page = at("/sign-in/?next=/account/", width, color_scheme=scheme)
    sign_in(page, live_brain, "vera")
    page.get_by_role("link", name="Add an authenticator app").click()
    secret = page.locator(".copyline code").inner_text()
    now = int(time.time()) // 30
    page.get_by_label("The code that the app shows now").fill(format_hotp_value(hotp_value(secret, now)))
    page.get_by_role("button", name="Add the app").click()
    page.get_by_role("link", name="I have kept them").click()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.goto("/")
    page.context.clear_cookies()

    page.goto("/sign-in/")
    sign_in(page, live_brain, "vera")
    page.get_by_label("Code", exact=True).fill(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(re.compile("sign-in"))
