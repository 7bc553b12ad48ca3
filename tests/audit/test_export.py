"""An export of the log proves itself to the verifier, whole or in part, and what was lawfully removed is no lie."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.audit.logs import log_in
from z4j_brain.audit import actions, erasure, export, parts, pruning, removals
from z4j_brain.audit.export import Wanted
from z4j_brain.audit.models import Anchor
from z4j_brain.audit.states import Basis
from z4j_brain.audit.verifier import SELF_CONSISTENT, VERIFIED, verify
from z4j_brain.ledger.models import Entry, EntryPrivate
from z4j_brain.ledger.states import Phase
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.action import Refused
from z4j_brain.rbac.actor import COMMAND_LINE, Actor
from z4j_brain.rbac.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(cast, tmp_path):
    with log_in(tmp_path, cast) as log:
        log.append(3)
        log.seal()
        log.hold()
        log.append(2, project="island", actor=cast.actor("stan"))
        log.append(4)
        log.seal()
        yield log


def test_a_whole_log_is_verified(log):
    report = log.verdict(log.held)

    assert (report.code, report.findings) == (VERIFIED, [])
    [here] = report.generations
    assert (here["size"], here["entries"], here["held"]) == (9, 9, [3])
    assert log.verdict().code == SELF_CONSISTENT


def test_what_is_not_sealed_yet_is_told_and_not_proven(log):
    log.append(2)
    report = log.verdict(log.held)

    assert (report.code, report.unsealed, report.generations[0]["size"]) == (VERIFIED, 2, 9)


def test_a_part_of_the_log_is_verified_without_the_others_entries(log, cast):
    file = log.export(Wanted.of(cast.island))
    held = zipfile.ZipFile(file).read("generation-1/entries.jsonl").splitlines()
    report = log.verdict(log.held, wanted=Wanted.of(cast.island))

    assert len(held) == 2
    assert report.code == VERIFIED and report.generations[0]["left_out"] == 7


def test_what_a_part_shows_of_other_places_has_nothing_personal_and_it_reads_no_more_than_that(log, cast):
    theirs = Entry.objects.filter(project="harbor").values_list("pk", flat=True)[0]
    erasure.erase_entries(cast.harbor, [theirs], Basis.UNLAWFUL, actor=COMMAND_LINE, reason="a letter of theirs")
    Anchor.objects.create(name="theirs", kind="file", address="/tmp/x", anchored_at=timezone.now())
    for _ in range(2):
        log.seal()
    wanted = Wanted.of(cast.island)
    with CaptureQueriesContext(connection) as queries, zipfile.ZipFile(log.export(wanted)) as file:
        index = log.place(Entry.objects.get(action="audit.erase", phase=Phase.ERASURE).pk)[1]
        private = [json.loads(row)["index"] for row in file.read("generation-1/private.jsonl").splitlines()]
        assert index not in private and len(private) == 2
        assert file.read("anchors/anchors.jsonl") == b""
    assert not [one["sql"] for one in queries if '"body"' in one["sql"] and "island" not in one["sql"]][1:]

    assert log.verdict(log.held, wanted=wanted).code == VERIFIED


def test_a_part_by_time_is_verified(log):
    late = Wanted(since=timezone.now() + timedelta(days=1))
    report = log.verdict(log.held, wanted=late)

    assert report.code == VERIFIED and report.generations[0]["left_out"] == 9


def test_without_personal_parts_nothing_personal_leaves(log):
    wanted = Wanted(personal=False)
    with zipfile.ZipFile(log.export(wanted)) as file:
        whole = b"".join(file.read(name) for name in file.namelist())

    assert log.verdict(log.held, wanted=wanted).code == VERIFIED
    assert b"private.jsonl" not in whole and b"203.0.113.9" not in whole


def test_who_took_the_log_out_is_recorded_before_and_after(log):
    file = io.BytesIO()
    receipt = export.take_out(INSTANCE, Wanted(project="harbor"), file, actor=COMMAND_LINE, reason="audit")
    asked, did = Entry.objects.filter(action="audit.export").order_by("pk")

    told = json.loads(bytes(asked.private.payload))["params"]
    assert told == {"filter": {"project": "harbor", "personal": True}}
    assert json.loads(bytes(did.private.payload))["params"] == {
        "rows": 7,
        "size": len(file.getvalue()),
        "sha256": receipt.sha256,
    }
    assert json.loads(bytes(did.body))["parent"] == str(asked.pk)


def test_only_who_may_export_takes_the_log_out(log, cast):
    assert export.take_out(cast.harbor, Wanted.of(cast.harbor), io.BytesIO(), actor=cast.actor("audrey")).rows == 7
    for name, place in (("oscar", cast.harbor), ("olive", INSTANCE)):
        with pytest.raises(Refused):
            export.take_out(place, Wanted(), io.BytesIO(), actor=cast.actor(name))


def test_erased_personal_parts_are_gone_and_the_proofs_are_whole(log, cast):
    olive = cast.user("olive")
    said = erasure.erase_person(olive, Basis.OBJECTION, actor=COMMAND_LINE, reason="asked by letter")
    assert EntryPrivate.objects.filter(entry__actor_id=str(olive.pk)).exists()
    log.seal()
    log.seal()

    assert not EntryPrivate.objects.filter(entry__actor_id=str(olive.pk)).exists()
    report = log.verdict(log.held)
    assert (report.code, report.findings, report.generations[0]["erased"]) == (VERIFIED, [], 7)
    body = json.loads(bytes(Entry.objects.get(pk=said[0]).body))
    assert (body["phase"], body["basis"], body["count"]) == ("erasure", "objection", 7)
    olive.refresh_from_db()
    assert not olive.is_active and "olive" not in f"{olive.username}{olive.email}"


def test_entries_are_erased_one_by_one_in_ones_own_place_only(log, cast):
    theirs = Entry.objects.filter(project="island").values_list("pk", flat=True)[0]
    ours = Entry.objects.filter(project="harbor").values_list("pk", flat=True)[0]
    olive = Actor.of_user(cast.user("olive"))
    with pytest.raises(Refused):  # she proves first that it is her
        erasure.erase_entries(cast.harbor, [ours], Basis.UNLAWFUL, actor=olive)
    with pytest.raises(ValidationError):
        actions.erase(cast.harbor, [ours, theirs], Basis.UNLAWFUL, actor=COMMAND_LINE)

    erasure.erase_entries(cast.harbor, [ours], Basis.UNLAWFUL, actor=COMMAND_LINE)
    log.seal()
    log.seal()
    assert not EntryPrivate.objects.filter(pk=ours).exists() and EntryPrivate.objects.filter(pk=theirs).exists()
    assert log.verdict(log.held).code == VERIFIED


def test_under_legal_hold_nothing_is_erased_or_pruned(log, tmp_path):
    ours = Entry.objects.values_list("pk", flat=True)[0]
    actions.hold(INSTANCE, actor=COMMAND_LINE, reason="case 7")
    with pytest.raises(ValidationError):
        erasure.erase_entries(INSTANCE, [ours], Basis.UNLAWFUL, actor=COMMAND_LINE)
    with pytest.raises(ValidationError):
        pruning.prune(pruning.Cut(1, 3, 3), tmp_path / "archive.zip", actor=COMMAND_LINE)
    assert not (tmp_path / "archive.zip").exists()

    actions.lift_hold(INSTANCE, actor=COMMAND_LINE, reason="closed")
    erasure.erase_entries(INSTANCE, [ours], Basis.UNLAWFUL, actor=COMMAND_LINE)


def test_a_legal_hold_stops_what_was_recorded_before_it_and_was_not_done(log):
    ours = Entry.objects.values_list("pk", flat=True)[0]
    erasure.erase_entries(INSTANCE, [ours], Basis.UNLAWFUL, actor=COMMAND_LINE)
    actions.hold(INSTANCE, actor=COMMAND_LINE, reason="case 7")
    log.seal()
    assert EntryPrivate.objects.filter(pk=ours).exists() and removals.undone().count() == 1

    actions.lift_hold(INSTANCE, actor=COMMAND_LINE, reason="closed")
    log.seal()
    assert not EntryPrivate.objects.filter(pk=ours).exists() and not removals.undone().exists()


def test_what_is_erased_already_is_not_erased_again_and_ends_at_once(log, cast):
    ours = Entry.objects.values_list("pk", flat=True)[0]
    said = [erasure.erase_entries(INSTANCE, [ours], Basis.UNLAWFUL, actor=COMMAND_LINE)[0] for _ in range(2)]
    said += erasure.erase_person(cast.user("vera"), Basis.OBJECTION, actor=COMMAND_LINE)  # nothing of hers is here
    for _ in range(3):
        log.seal()

    assert not removals.undone().exists()
    assert Entry.objects.filter(phase=Phase.RESULT, action="audit.erase").count() == len(said)
    assert not User.objects.get(pk=cast.user("vera").pk).is_active
    for ids in ([ours], []):
        with pytest.raises(ValidationError):
            erasure.erase_entries(INSTANCE, ids, Basis.UNLAWFUL, actor=COMMAND_LINE)
    assert log.verdict(log.held).code == VERIFIED


def test_pruned_entries_are_in_the_archive_and_both_verify(log, tmp_path):
    first = Entry.objects.order_by("pk")[5]
    cut = pruning.before(first.ts)
    assert cut == pruning.Cut(1, 5, 5)
    pruning.prune(cut, tmp_path / "archive.zip", actor=COMMAND_LINE, reason="seven years")
    assert Entry.objects.filter(ts__lt=first.ts).count() == 5
    log.seal()
    log.seal()

    assert not Entry.objects.filter(ts__lt=first.ts).exists()
    report = log.verdict(log.held)
    assert (report.code, report.findings, report.generations[0]["pruned"]) == (VERIFIED, [], 5)
    archived = verify(str(tmp_path / "archive.zip"), [parts.vkey(1)], [log.held])
    assert archived.code == VERIFIED and archived.generations[0]["entries"] == 5
    assert pruning.before(first.ts) is None


def test_a_crash_before_the_deletion_is_made_up_for(log, monkeypatch):
    ours = Entry.objects.values_list("pk", flat=True)[0]
    with monkeypatch.context() as crash:
        crash.setattr("z4j_brain.ledger.sealing._callbacks", [])
        erasure.erase_entries(INSTANCE, [ours], Basis.UNLAWFUL, actor=COMMAND_LINE)
        log.seal()
    assert EntryPrivate.objects.filter(pk=ours).exists() and removals.undone().count() == 1

    monkeypatch.setattr(removals, "_pending", None)
    log.append()
    log.seal()
    log.seal()
    assert not EntryPrivate.objects.filter(pk=ours).exists() and not removals.undone().exists()
    assert Entry.objects.filter(phase=Phase.RESULT, action="audit.erase").count() == 1
