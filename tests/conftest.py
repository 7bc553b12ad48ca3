"""What every test of the brain may ask for: a database cloned from a migrated template, the cast, a live brain."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from django.db import connections
from django.test import Client
from django.utils import translation

from tests.brain import Brain
from tests.cast import Cast
from tests.settings import TEST_FOLDER, TEST_OWNER
from tests.store import Store, open_store

# A busy machine must not turn a slow example into a failure.
hypothesis.settings.register_profile("z4j", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("z4j")


@pytest.fixture(scope="session")
def store() -> Store:
    return open_store(TEST_FOLDER / "store")


@pytest.fixture(scope="session")
def django_db_setup(store: Store, django_test_environment: None, django_db_blocker: pytest.Item) -> Iterator[None]:
    """The database of this worker. Tests roll back, so one is enough."""
    name = f"worker-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    store.clone(name)
    connections.settings["default"].update(store.django(name))
    yield
    with django_db_blocker.unblock():
        connections.close_all()
    store.drop(name)


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """A request leaves its reader's language behind in its thread: the next test must not speak it."""
    yield
    translation.deactivate()


@pytest.fixture
def cast(db: None) -> Cast:
    return Cast.create()


@pytest.fixture
def see(cast: Cast, client: Client) -> Callable[..., str]:
    """A page as vera sees it, who only looks; the overview of harbor's production unless told otherwise."""
    client.force_login(cast.user("vera"), backend="django.contrib.auth.backends.ModelBackend")

    def see(path: str = "/harbor/production/") -> str:
        answer = client.get(path)
        assert answer.status_code == 200
        return answer.content.decode()

    return see


@pytest.fixture(scope="session")
def standing_brain(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brain]:
    """A live brain for tests that neither stop it nor mind each other's rows."""
    brain = Brain(store, tmp_path_factory.mktemp("standing") / "brain")
    brain.start()
    yield brain
    brain.close()


@pytest.fixture
def live_brain(store: Store, tmp_path: Path) -> Iterator[Brain]:
    """A real `z4j serve` on a port of its own, with the cast in its own database."""
    brain = Brain(store, tmp_path / "brain")
    brain.start()
    yield brain
    brain.close()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Whoever started the run ends its databases: no worker knows that it is the last."""
    if TEST_OWNER and (TEST_FOLDER / "store").exists():
        open_store(TEST_FOLDER / "store").close()
