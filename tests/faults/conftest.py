"""What fault tests share: a browser, for what a person sees while things die, and a PostgreSQL of one's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.conftest import browser
from tests.faults.cluster import order_postgres
from tests.settings import TEST_FOLDER
from tests.store import PostgresStore, Store, open_store

__all__ = ["browser"]


@pytest.fixture
def own(store: Store, request: pytest.FixtureRequest) -> Iterator[PostgresStore]:
    """A server that nobody else uses, on a copy of what the run's server has stored."""
    if not isinstance(store, PostgresStore):
        pytest.skip("about PostgreSQL")
    own = open_store(TEST_FOLDER / request.module.__name__.rpartition(".")[2])
    assert isinstance(own, PostgresStore)
    yield own
    order_postgres(own, "stop")  # `close` does not know a server that was restarted
