"""Checkpoints are brought outside: to a file, to syslog, to a webhook; and where one is late, everybody sees it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from z4j_core import note

from z4j_brain.audit import actions, anchors, anchors_turn
from z4j_brain.audit.models import Anchor
from z4j_brain.audit.states import AnchorKind, Arrival
from z4j_brain.ledger import proofs
from z4j_brain.ledger.models import Entry
from z4j_brain.ledger.signer import checking
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import SYSTEM


@pytest.fixture(autouse=True)
def quiet(settings, tmp_path):
    """No anchor but the file."""
    settings.Z4J_ANCHOR_FILE = str(tmp_path / "kept" / "checkpoints.txt")
    settings.Z4J_ANCHOR_SYSLOG = "off"


def turn():
    """As if the time to try again had come."""
    Anchor.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    anchors_turn.turn()


def arrivals():
    return {held.anchor.name: held.arrival for held in anchors.held()}


def test_the_file_is_there_without_set_up_and_holds_every_checkpoint_it_was_brought(seal, signer, settings):
    seal(3)
    anchors_turn.turn()
    seal(2)
    turn()

    kept = Path(settings.Z4J_ANCHOR_FILE).read_text()
    found = [text + "\n" for text in re.split(r"\n\n(?=[^\u2014])", kept.strip())]
    told = [
        note.verified(text, note.read(text).checkpoint.origin, signer.ring.log_public, checking(signer.ring.log_public))
        for text in found
    ]
    assert [checkpoint.size for checkpoint in told] == [3, 5]
    assert os.stat(settings.Z4J_ANCHOR_FILE).st_mode & 0o777 == 0o600
    assert arrivals() == {"file": Arrival.CURRENT}


def test_what_cannot_be_written_is_told_and_tried_again(seal, settings, tmp_path):
    settings.Z4J_ANCHOR_FILE = str(tmp_path)  # a folder
    seal()
    anchors_turn.turn()

    (held,) = anchors.held()
    assert (held.arrival, held.behind, held.anchor.failures) == (Arrival.WAITING, 1, 1)
    assert "directory" in held.anchor.error
    assert held.anchor.next_at > timezone.now()

    settings.Z4J_ANCHOR_FILE = str(tmp_path / "file.txt")
    turn()
    assert arrivals() == {"file": Arrival.CURRENT}
    assert Anchor.objects.get().error == ""


def test_a_link_in_place_of_the_file_is_not_followed(seal, settings, tmp_path):
    os.symlink(tmp_path / "elsewhere", tmp_path / "link")
    settings.Z4J_ANCHOR_FILE = str(tmp_path / "link")
    seal()
    anchors_turn.turn()

    assert Anchor.objects.get().failures == 1
    assert not (tmp_path / "elsewhere").exists()


def test_an_anchor_is_late_after_five_minutes_or_a_thousand_entries(seal, monkeypatch, settings, tmp_path):
    settings.Z4J_ANCHOR_FILE = str(tmp_path)
    seal()
    anchors_turn.turn()
    assert arrivals() == {"file": Arrival.WAITING}

    monkeypatch.setattr(anchors, "LATE_AFTER", timedelta(0))
    assert arrivals() == {"file": Arrival.LATE}
    monkeypatch.undo()
    monkeypatch.setattr(anchors, "LATE_BY", 0)
    assert arrivals() == {"file": Arrival.LATE}


def test_syslog_is_brought_the_note(seal, collector):
    actions.add_anchor(INSTANCE, "collector", AnchorKind.SYSLOG, collector.address, actor=SYSTEM)
    seal(2)
    turn()

    (line,) = collector.lines
    assert re.match(r"<109>1 \S+Z \S+ z4j \d+ checkpoint \[z4j@32473 origin=", line)
    sent = base64.b64decode(re.search(r' note="([^"]+)"', line)[1]).decode()
    assert sent == proofs.latest().note


def test_a_webhook_is_brought_the_note_signed_with_its_secret(seal, server):
    anchor, secret = actions.add_anchor(INSTANCE, "far", AnchorKind.WEBHOOK, server.address, actor=SYSTEM)
    seal(2)
    turn()

    ((path, headers, body),) = server.requests
    assert (path, body.decode()) == ("/hook?x=1", proofs.latest().note)
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert abs(int(headers["webhook-timestamp"]) - timezone.now().timestamp()) < 300
    assert secret not in anchor.secret


@pytest.mark.parametrize(("status", "to"), [(500, ""), (302, "https://localhost:1/elsewhere"), (204, "")])
def test_a_webhook_has_arrived_when_the_answer_says_so_and_no_redirect_is_followed(seal, server, status, to):
    server.status, server.to = status, to
    actions.add_anchor(INSTANCE, "far", AnchorKind.WEBHOOK, server.address, actor=SYSTEM)
    seal()
    turn()

    anchor = Anchor.objects.get(name="far")
    assert (bool(anchor.size), anchor.failures) == ((True, 0) if status == 204 else (False, 1))
    assert len(server.requests) == 1
    assert status == 204 or f"answered {status}" in anchor.error


def test_two_processes_bring_a_checkpoint_once(seal):
    anchors_turn.turn()
    seal()
    anchor, again = Anchor.objects.get(), Anchor.objects.get()

    assert anchors_turn.claim(anchor)
    assert not anchors_turn.claim(again)


def test_what_is_added_and_removed_stands_in_the_log_without_the_address(cast, server):
    cast.user("olive").is_staff = True
    cast.user("olive").save()
    actor = cast.actor("olive")
    anchor, secret = actions.add_anchor(INSTANCE, "far", AnchorKind.WEBHOOK, server.address, actor=actor)
    actions.remove_anchor(anchor, actor=actor)

    kept = "".join(bytes(entry.private.payload).decode() + bytes(entry.body).decode() for entry in Entry.objects.all())
    assert [entry.action for entry in Entry.objects.order_by("id")] == ["anchor.add", "anchor.remove"]
    assert "localhost" in kept
    assert "/hook" not in kept
    assert secret not in kept
