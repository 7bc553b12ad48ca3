from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from z4j_brain.ledger import sealing
from z4j_brain.ledger.signer import Signer


@pytest.fixture
def signer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Signer]:
    """A signer with keys and a memory of its own, and nobody who acts on what it seals."""
    monkeypatch.setattr(sealing, "_callbacks", [])
    signer = Signer(tmp_path / "signer")
    assert signer.hold()
    yield signer
    signer.release()
