"""Chat and paging services are told by a process of their own, which can reach nothing but them."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from tests.alerts.troubles import is_long
from z4j_brain.alerts import actions, messengers, sending, turn
from z4j_brain.alerts.models import Channel, Delivery
from z4j_brain.alerts.states import ChannelKind
from z4j_brain.ledger.models import EntryPrivate
from z4j_brain.rbac.actor import SYSTEM


class Receiver:
    """A service of one's own, without TLS. `status`: what it answers; `to`: where it sends whoever asks."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.status, self.to = 200, ""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, json.loads(body)))
                self.send_response(outer.status)
                if outer.to:
                    self.send_header("Location", outer.to)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args: Any) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    settings.Z4J_PRIVATE_HOSTS = ["localhost"]
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def service(cast, receiver):
    def service(address: str) -> Channel:
        return actions.add_channel(cast.production, "chat", ChannelKind.SERVICE, address, actor=SYSTEM)[0]

    return service


def test_an_alert_and_its_end_reach_services_of_ones_own(cast, rule, service, receiver):
    made = rule("queue_depth", {"depth": 100})
    made.channels.set([service(f"ntfy://{receiver.host}/alerts")])
    over = is_long(cast)
    turn.look(timezone.now())
    sending.turn()
    over()
    turn.look(timezone.now() + turn.EVERY)
    sending.turn()

    ((_, fired), (_, resolved)) = receiver.requests
    assert (fired["topic"], fired["title"]) == ("alerts", "[harbor/production] queue_depth: celery/mail")
    assert fired["message"].startswith("500 tasks wait in mail.")
    assert resolved["title"] == "[harbor/production] Resolved: queue_depth: celery/mail"
    assert set(Delivery.objects.values_list("state", "attempts", "code")) == {("delivered", 1, 200)}


@pytest.mark.parametrize(
    "address", ["json://{}/hook", "mmost://{}/abcdefghijklmnopqrstuvwx", "gotify://{}/token0token"]
)
def test_a_test_arrives_and_what_a_service_refuses_is_tried_again(cast, service, receiver, address):
    channel = service(address.format(receiver.host))
    receiver.status = 500
    actions.test_channel(channel, cast.production, actor=SYSTEM)
    sending.turn()
    refused = Delivery.objects.get()
    assert (refused.state, refused.code, refused.error) == ("pending", 500, f"{channel.to} answered 500.")

    receiver.status = 200
    Delivery.objects.update(next_at=timezone.now())
    sending.turn()
    assert Delivery.objects.get().state == "delivered"
    assert "Alerts of z4j arrive here." in json.dumps(receiver.requests[-1][1])


def test_its_address_is_kept_encrypted_and_never_shown_whole(cast, service):
    channel = service("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    kept = Channel.objects.values().get()
    assert (channel.address, channel.to) == ("slack://", "Slack")
    assert "A1BRTD4JD" not in repr(kept)
    assert "A1BRTD4JD" not in repr(list(EntryPrivate.objects.values()))
    actions.edit_channel(channel, {"name": "Chat"}, actor=SYSTEM)
    assert Channel.objects.values().get() == kept | {"name": "Chat"}


def test_nothing_inside_a_private_network_is_reached_unless_a_setting_allows_it(cast, service, receiver, settings):
    inside = [f"json://{receiver.host}/", f"json://{receiver.host.replace('localhost', '127.0.0.1')}/"]
    settings.Z4J_PRIVATE_HOSTS = []
    for address in inside:
        with pytest.raises(messengers.Undelivered, match="private network"):
            messengers.send(address, "title", "text", "test")
    assert receiver.requests == []


def test_names_from_a_queue_call_nobody_and_are_no_link_in_a_chat(receiver):
    messengers.send(f"json://{receiver.host}/", "@everyone", "<https://evil.example|Open z4j> <!channel>", "test")
    told = json.dumps(receiver.requests[-1][1], ensure_ascii=False)
    assert [word for word in ("@everyone", "<https", "<!channel>") if word in told] == []


def test_no_redirect_is_followed(receiver):
    receiver.status, receiver.to = 307, f"http://{receiver.host}/elsewhere"
    with pytest.raises(messengers.Undelivered, match="307"):
        messengers.send(f"json://{receiver.host}/", "title", "text", "test")
    assert [path for path, _ in receiver.requests] == ["/"]


_TRIES = """
import json, os, socket, subprocess, sys
from z4j_brain.alerts.courier import Guard
Guard(["localhost"]).arm()
def tried(what):
    try:
        what()
    except PermissionError:
        return "refused"
    except OSError:
        return "let"
    return "let"
plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
known = [socket.getaddrinfo("localhost", 9)[0][4][0]]
print(json.dumps({
    "metadata": tried(lambda: plain.connect(("169.254.169.254", 80))),
    "mapped": tried(lambda: socket.socket(socket.AF_INET6).connect(("::ffff:10.0.0.1", 80))),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX).connect("/run/docker.sock")),
    "datagram": tried(lambda: plain.sendto(b"x", ("10.0.0.1", 53))),
    "allowed": tried(lambda: socket.create_connection((known[0], 9), 0.5)),
    "file": tried(lambda: open("/etc/passwd")),
    "written": tried(lambda: open(json.__file__, "a")),
    "library": tried(lambda: open(json.__file__)),
    "process": tried(lambda: subprocess.run(["true"])),
    "shell": tried(lambda: os.system("true")),
}))
"""


def test_whatever_a_library_does_it_reaches_no_private_address_no_file_and_no_process():
    done = subprocess.run([sys.executable, "-c", _TRIES], capture_output=True, text=True, check=True)
    let = {name for name, what in json.loads(done.stdout).items() if what == "let"}
    assert let == {"allowed", "library"}


@pytest.mark.parametrize(
    "address",
    [
        "syslog://",
        "dbus://",
        "windows://",
        "file:///etc/passwd",
        "mailtos://user:pass@example.com",
        "apprise://example.com/token",
        "https://example.com/",
        "slack",
        "discord://id/token?template=/etc/passwd",
        "jsons://example.com/?verify=no",
        "jsons://example.com/?redirect=yes",
        "jsons://example.com/?a=1;verify=no;redirect=yes",
        "jsons://example.com/ x",
        "jsons://" + "x" * 2000,
    ],
)
def test_what_is_no_service_or_says_too_much_is_refused(cast, address):
    with pytest.raises(ValidationError):
        actions.add_channel(cast.production, "x", ChannelKind.SERVICE, address, actor=SYSTEM)


def test_every_service_that_is_named_is_known_and_an_address_that_does_not_read_is_told():
    program = "from apprise.manager_plugins import NotificationManager; print(*NotificationManager().schemas())"
    known = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert set(messengers.SCHEMES) <= set(known)
    messengers.recognise("pagerduty://A" + "b" * 31 + "@A" + "c" * 31)
    with pytest.raises(ValidationError, match="does not read as an address of Slack"):
        messengers.recognise("slack://bad")


def test_the_library_costs_nothing_where_nobody_is_told_by_it():
    program = (
        "import django, sys; django.setup(); import z4j_brain.housekeeping.loops, z4j_brain.urls; "
        "print('apprise' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
