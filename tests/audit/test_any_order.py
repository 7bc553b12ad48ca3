"""Whatever happens to the log in whatever order, it verifies; and after one tampering it never does."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.audit.logs import Log
from tests.audit.tampering import TAMPERINGS, Tampering, ids, unguarded
from tests.cast import Cast
from z4j_brain.audit import erasure, parts, pruning, removals
from z4j_brain.audit.states import Basis
from z4j_brain.audit.verifier import SELF_CONSISTENT, VERIFIED, Report, verify
from z4j_brain.ledger.models import EntryPrivate
from z4j_brain.rbac.access import INSTANCE
from z4j_brain.rbac.actor import COMMAND_LINE, Actor

pytestmark = pytest.mark.django_db
SOAK = bool(os.environ.get("Z4J_SOAK"))
#: What a tampering takes: entries with personal parts that nothing has taken yet.
LEAST = 5


class AnyOrder(RuleBasedStateMachine):
    """One log, in a transaction that is rolled back in the end."""

    @initialize()
    def begin(self) -> None:
        self.around = transaction.atomic()
        self.around._from_testcase = True  # what is durable may stand in it, as in any test
        self.around.__enter__()
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        olive = Cast.create().user("olive")
        self.log = Log(self.folder, Actor.of_user(olive))
        self.tampered: Tampering | None = None
        self.grow(LEAST)
        self.log.hold()

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.signer.release()
            transaction.set_rollback(True)
            self.around.__exit__(None, None, None)
            self.temporary.cleanup()

    @precondition(lambda self: self.tampered is None)
    @rule(count=st.integers(1, 4))
    def grow(self, count: int) -> None:
        self.log.append(count)
        self.log.seal()

    @precondition(lambda self: self.tampered is None)
    @rule(count=st.integers(1, 3))
    def append(self, count: int) -> None:
        self.log.append(count)

    @precondition(lambda self: self.tampered is None)
    @rule()
    def hold(self) -> None:
        self.log.hold()

    @precondition(lambda self: self.tampered is None)
    @rule(which=st.integers(0, 100))
    def erase(self, which: int) -> None:
        left = list(EntryPrivate.objects.filter(pk__in=ids(self.log)).order_by("pk").values_list("pk", flat=True))
        erasure.erase_entries(INSTANCE, [left[which % len(left)]], Basis.UNLAWFUL, actor=COMMAND_LINE)
        self.settle()

    @precondition(lambda self: self.tampered is None)
    @rule(share=st.floats(0.1, 0.6))
    def prune(self, share: float) -> None:
        generation = parts.generations()[0]
        first, size = parts.pruned_below(generation), parts.size_of(generation)
        below = first + int((size - first) * share)
        if below > first and len(parts.generations()) == 1:
            archive = self.folder / f"{generation}-{below}.zip"
            pruning.prune(pruning.Cut(generation, below, below - first), archive, actor=COMMAND_LINE)
            self.settle()
            assert self.verdict_of(str(archive)).code in (VERIFIED, SELF_CONSISTENT)

    @precondition(lambda self: self.tampered is None)
    @rule()
    def restart(self) -> None:
        self.log.restart()

    @precondition(lambda self: self.tampered is None)
    @rule()
    def rotate(self) -> None:
        """A backup is restored, somebody acknowledges it, and a new generation begins."""
        if len(parts.generations()) < 3:
            backup = transaction.savepoint()
            self.grow(1)
            self.grow(1)
            transaction.savepoint_rollback(backup)
            self.log.begin_anew()
            self.grow(LEAST)
            self.log.hold()

    @precondition(lambda self: self.tampered is None)
    @rule(tampering=st.sampled_from(TAMPERINGS))
    def tamper(self, tampering: Tampering) -> None:
        if not self.can_be_tampered_with():
            self.grow(LEAST)
            self.log.hold()
        if self.can_be_tampered_with():
            self.log.seal()
            self.log.hold()
            with unguarded():
                tampering.do(self.log)
            self.tampered = tampering

    @rule()
    def look_again(self) -> None:
        """Nothing else happens once somebody has tampered."""

    @invariant()
    def the_verdict_is_right(self) -> None:
        if not hasattr(self, "log"):
            return
        export = self.log.export()
        held, alone = self.verdict_of(export, self.log.held), self.verdict_of(export)
        if self.tampered is None:
            assert held.code == VERIFIED, held.findings
            assert alone.code == SELF_CONSISTENT, alone.findings
        else:
            assert held.code not in (VERIFIED, SELF_CONSISTENT), (self.tampered, held.findings)
            assert alone.code != VERIFIED
            assert alone.code != SELF_CONSISTENT or self.tampered.alone == SELF_CONSISTENT, (
                self.tampered,
                alone.findings,
            )

    def can_be_tampered_with(self) -> bool:
        """The entries that the tamperings touch, the second and the last two, are there with their personal parts."""
        order = ids(self.log)
        touched = {*order[:3], *order[-2:]}
        whole = EntryPrivate.objects.filter(pk__in=touched, entry__action="task.retry").count()
        return len(order) >= LEAST and whole == len(touched)

    def settle(self) -> None:
        self.log.seal()
        self.log.seal()
        assert not removals.undone().exists()

    def verdict_of(self, export: object, *held: str) -> Report:
        recovery = [key.hex() for key in self.log.recoveries]
        return verify(export, [parts.vkey(1)], list(held), recovery=recovery)  # type: ignore[arg-type]


def test_any_order_of_what_may_happen_verifies_and_one_tampering_is_found(db):
    machine = AnyOrder.TestCase
    machine.settings = settings(
        max_examples=300 if SOAK else 8,
        stateful_step_count=30 if SOAK else 8,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink a failure takes longer than to read it
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine().runTest()
