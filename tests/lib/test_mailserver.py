"""One address says where the mail server is and how it is spoken to; a wrong one stops the start."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from z4j_brain.lib.mailserver import MailServer, read


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", MailServer()),
        ("smtp://mail.example", MailServer("mail.example", 587, starttls=True)),
        ("smtps://me%40x:p%2Fw@mail.example:4650", MailServer("mail.example", 4650, "me@x", "p/w", tls=True)),
        ("smtp+plain://relay", MailServer("relay", 25)),
    ],
)
def test_an_address_is_read(url, expected):
    assert read(url) == expected


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://:587"])
def test_what_is_no_mail_server_stops_the_start(url):
    with pytest.raises(ImproperlyConfigured, match="Z4J_MAIL_URL"):
        read(url)
