"""Where webhooks and streams may go: to no place inside our own network, however it is written."""

from __future__ import annotations

import socket

import pytest
from django.core.exceptions import ValidationError

from z4j_brain.audit import webhooks
from z4j_brain.audit.siem_syslog import Collector
from z4j_brain.audit.webhooks import Undelivered
from z4j_brain.lib import addresses

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.254",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
OUTSIDE = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_refused(address):
    assert not addresses.is_public(addresses.read(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_world_is_not(address):
    assert addresses.is_public(addresses.read(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "::1", "0"])
def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(host):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        port = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        with pytest.raises(Undelivered, match="private network"):
            webhooks.post(f"https://{shown}:{port}/", b"x", "secret", "text/plain")
        with pytest.raises(Undelivered, match="private network"):
            Collector("tcp", host, port).send([b"x"])
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https:///x",
        "https://user:word@example.com/",
        "https://example.com:99999/",
        "https://example.com:0/",
        "https://exa mple.com/",
        "https://example.com/\r\nHost: x",
        "file:///etc/passwd",
        "https://example.com/#x",
        "https://[::1",
        "",
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused_when_it_is_typed(address):
    with pytest.raises(ValidationError):
        webhooks.check(address)


@pytest.mark.parametrize("address", ["udp://", "syslog://a", "tcp://a:0x", "unix://host/x", "unix:", "tcp://a/b", "a"])
def test_what_is_no_address_of_a_collector_is_refused_when_it_is_typed(address):
    with pytest.raises(ValidationError):
        Collector.of(address)


def test_a_file_of_the_machine_is_written_to_only_where_a_setting_allows_it(tmp_path, settings):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taking:
        taking.bind(path)
        with pytest.raises(Undelivered, match="Z4J_PRIVATE_HOSTS"):
            Collector.of(f"unix://{path}").send([b"x"])
        settings.Z4J_PRIVATE_HOSTS = [path]
        Collector.of(f"unix://{path}").send([b"one", b"two"])

        assert [taking.recv(9), taking.recv(9)] == [b"one", b"two"]


def test_who_answers_a_byte_at_a_time_is_not_waited_for(settings, monkeypatch):
    settings.Z4J_PRIVATE_HOSTS = ["127.0.0.1"]
    monkeypatch.setattr(webhooks, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(Undelivered):
        webhooks.post(f"https://127.0.0.1:{listening.getsockname()[1]}/", b"x", "secret", "text/plain")
