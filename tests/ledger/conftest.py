from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from z4j_brain.ledger.signer import Signer


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[Signer]:
    """A signer with keys and a memory of its own."""
    signer = Signer(tmp_path / "signer")
    assert signer.hold()
    yield signer
    signer.release()
