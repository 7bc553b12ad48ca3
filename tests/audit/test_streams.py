"""Entries are sent on in the order of the log, each at least once, whatever dies in between."""

from __future__ import annotations

import base64
import json
import re
import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.audit.receivers import Collector
from z4j_brain.audit import actions, streams
from z4j_brain.audit.models import Stream
from z4j_brain.audit.states import Arrival, StreamKind
from z4j_brain.ledger.models import Leaf
from z4j_brain.ledger.states import Outcome
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import SYSTEM


class Killed(BaseException):
    """As a process that is killed: nothing is caught, nothing is cleaned up."""


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(streams, "BATCH", 4)
    monkeypatch.setattr(streams.ahead, "__defaults__", (4,))


def add(address, kind=StreamKind.SYSLOG, **fields):
    return actions.add_stream(INSTANCE, "siem", kind, address, whole=True, actor=SYSTEM, **fields)[0]


def turn():
    """As if the time to try again had come, and the lease of who died had ended."""
    past = timezone.now() - timedelta(seconds=1)
    Stream.objects.update(next_at=past)
    Stream.objects.exclude(leased_until=None).update(leased_until=past)
    streams.turn()


def leaves(lines):
    return [int(re.search(r' leaf="(\d+)"', line)[1]) for line in lines]


def test_entries_arrive_in_the_order_of_the_log_and_only_sealed_ones(seal, collector, cast, small):
    add(collector.address)
    made = seal(11)
    turn()

    order = list(Leaf.objects.order_by("idx").values_list("entry_id", flat=True))
    told = [re.search(r' id="([^"]+)"', line)[1] for line in collector.lines]
    assert told == list(map(str, order))
    assert leaves(collector.lines) == list(range(len(order)))
    assert {str(entry.pk) for entry in made} <= set(told)
    assert streams.flows()[0].arrival == Arrival.CURRENT


def test_nothing_is_lost_when_the_sender_is_killed_after_or_before_a_batch(seal, collector, monkeypatch, small):
    stream = add(collector.address)
    seal(20)
    send = streams.to_syslog
    for when in ("after", "before", "after"):

        def killed(stream, batch, when=when):
            if when == "after":
                send(stream, batch)
            raise Killed

        monkeypatch.setitem(streams.SEND, "syslog", killed)
        with pytest.raises(Killed):
            turn()
    monkeypatch.setitem(streams.SEND, "syslog", send)
    turn()

    found = leaves(collector.lines)
    assert list(dict.fromkeys(found)) == list(range(Leaf.objects.count()))
    assert len(found) > Leaf.objects.count()  # some twice
    stream.refresh_from_db()
    assert stream.idx == Leaf.objects.count()


def test_a_receiver_that_is_down_keeps_the_cursor_where_it_is_and_is_tried_later(seal, settings):
    settings.Z4J_PRIVATE_HOSTS = ["127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    add(f"tcp://127.0.0.1:{port}")
    seal(5)
    waits = []
    for _ in range(6):
        turn()
        stream = Stream.objects.get()
        waits.append(stream.next_at - timezone.now())
    assert (stream.idx, stream.failures) == (0, 6)
    assert "does not answer" in stream.error
    assert waits[-1] > waits[0]
    streams.turn()
    assert Stream.objects.get().failures == 6  # it is not its time yet

    collector = Collector(port)
    turn()
    collector.close()
    assert leaves(collector.lines) == list(range(Leaf.objects.count()))
    assert (Stream.objects.get().failures, Stream.objects.get().error) == (0, "")


def test_a_receiver_that_dies_while_it_reads_gets_the_batch_again(seal, collector):
    add(collector.address)
    seal(300)
    collector.deaf = True
    turn()
    assert Stream.objects.get().failures == 1
    collector.deaf = False
    turn()

    assert leaves(collector.lines) == list(range(Leaf.objects.count()))


def test_a_webhook_gets_json_lines_whose_bodies_are_what_was_sealed(seal, server):
    add(server.address, StreamKind.WEBHOOK)
    made = seal(3, "mara", private={"reason": "relay is back"})
    turn()

    ((_, headers, body),) = server.requests
    told = [json.loads(line) for line in body.decode().splitlines()]
    assert headers["content-type"] == "application/x-ndjson"
    assert [one["index"] for one in told] == list(range(Leaf.objects.count()))
    bodies = {one["id"]: base64.b64decode(one["body"]) for one in told}
    assert all(bodies[str(entry.pk)] == bytes(entry.body) for entry in made)
    assert b"mara" not in body
    assert b"relay" not in body


@pytest.mark.parametrize("personal", [False, True])
def test_who_and_why_are_sent_only_where_somebody_chose_so(seal, collector, personal):
    add(collector.address, personal=personal)
    seal(1, 'ma"r]a\n', private={"reason": "relay is back"}, outcome=Outcome.REFUSED)
    turn()

    line = collector.lines[-1]
    assert line.startswith("<108>1 ")
    assert ("relay is back" in line) == personal
    assert ('actor="ma\\"r\\]a "' in line) == personal
    assert "\n" not in line


def test_a_paused_stream_sends_nothing_and_goes_on_where_it_stopped(seal, collector):
    stream = add(collector.address)
    seal(2)
    turn()
    before = len(collector.lines)
    actions.pause_stream(stream, actor=SYSTEM)
    seal(2)
    turn()
    assert len(collector.lines) == before
    assert streams.flows()[0].arrival == Arrival.PAUSED

    actions.resume_stream(stream, actor=SYSTEM)
    turn()
    assert leaves(collector.lines) == list(range(streams.flows()[0].stream.idx))
    assert len(collector.lines) > before


def test_a_stream_begins_with_what_is_sealed_from_now_on_unless_it_is_to_have_all(seal, collector):
    seal(5)
    actions.add_stream(INSTANCE, "siem", StreamKind.SYSLOG, collector.address, actor=SYSTEM)
    seal(1)
    turn()

    assert leaves(collector.lines)[0] == 5


def test_udp_carries_one_entry_a_datagram(seal, settings):
    settings.Z4J_PRIVATE_HOSTS = ["127.0.0.1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taking:
        taking.bind(("127.0.0.1", 0))
        taking.settimeout(20)
        add(f"udp://127.0.0.1:{taking.getsockname()[1]}")
        seal(2)
        turn()
        assert leaves([taking.recv(65_535).decode() for _ in range(3)]) == [0, 1, 2]
