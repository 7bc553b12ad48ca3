from __future__ import annotations

import pytest

from z4j_brain.lib.arrival import arrive, request_id

CLAIMS = [
    (b"x-forwarded-for", b"198.51.100.7, 203.0.113.9, 10.0.0.2"),
    (b"x-forwarded-proto", b"https"),
    (b"x-request-id", b"chosen"),
]


def scope(peer, headers=CLAIMS):
    return {"type": "http", "scheme": "http", "client": [peer, 5000], "headers": [(b"host", b"x"), *headers]}


def test_a_strangers_claims_are_dropped(settings):
    settings.Z4J_TRUSTED_PROXIES = ["10.0.0.0/8"]

    arrived = arrive(scope("203.0.113.50"))

    assert arrived["client"] == ["203.0.113.50", 5000]
    assert arrived["scheme"] == "http"
    assert dict(arrived["headers"])[b"x-request-id"] == request_id.get().encode() != b"chosen"
    assert b"x-forwarded-for" not in dict(arrived["headers"])


def test_a_trusted_proxy_tells_who_sent_it(settings):
    settings.Z4J_TRUSTED_PROXIES = ["10.0.0.0/8"]

    arrived = arrive(scope("10.0.0.1"))

    assert arrived["client"][0] == "203.0.113.9"  # the hop before may be made up
    assert arrived["scheme"] == "https"
    assert request_id.get() == "chosen"


@pytest.mark.parametrize("value", [b"", b"nonsense", b"nonsense, 10.0.0.3", b",,,", b"\xff"])
def test_a_chain_that_cannot_be_read_ends_at_the_peer(settings, value):
    settings.Z4J_TRUSTED_PROXIES = ["10.0.0.1/32"]

    assert arrive(scope("10.0.0.1", [(b"x-forwarded-for", value)]))["client"][0] in ("10.0.0.1", "10.0.0.3")


def test_nobody_is_trusted_by_default():
    assert arrive(scope("127.0.0.1"))["client"] == ["127.0.0.1", 5000]
