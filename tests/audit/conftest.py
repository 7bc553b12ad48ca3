"""A log that is really sealed, and receivers of what leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests import rows
from tests.audit.receivers import Collector, Server
from tests.cast import Cast
from z4j_brain.audit import webhooks
from z4j_brain.ledger import sealing
from z4j_brain.ledger.models import Entry
from z4j_brain.ledger.signer import Signer
from z4j_brain.lib import keys

Seal = Callable[..., list[Entry]]


@pytest.fixture
def signer(tmp_path: Path, db: None) -> Iterator[Signer]:
    signer = Signer(tmp_path, keys.ring())
    assert signer.hold()
    yield signer
    signer.release()


@pytest.fixture
def seal(cast: Cast, signer: Signer) -> Seal:
    """Append so many entries to harbor's production and seal them."""

    def seal(count: int = 1, name: str = "z4j", **fields: object) -> list[Entry]:
        made = [rows.entry(cast.production, name, **fields) for _ in range(count)]
        sealing.seal(signer)
        return made

    return seal


@pytest.fixture
def collector(settings: Settings) -> Iterator[Collector]:
    settings.Z4J_PRIVATE_HOSTS = ["127.0.0.1", "localhost"]
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def server(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that the brain trusts, as an operator makes it trusted: by SSL_CERT_FILE."""
    settings.Z4J_PRIVATE_HOSTS = ["127.0.0.1", "localhost"]
    server = Server(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    webhooks._trusted.cache_clear()
    yield server
    webhooks._trusted.cache_clear()
    server.close()
