"""Whoever uses the brain can have its source, as the AGPL asks."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from z4j_brain import settings as module


def test_a_signed_in_user_gets_the_files_that_run(client, cast):
    client.force_login(cast.users["vera"])
    with tarfile.open(fileobj=io.BytesIO(client.get("/source.tar.gz").content)) as archive:
        names = archive.getnames()
        settings = archive.extractfile("z4j/z4j_brain/settings.py").read()
    assert settings == Path(module.__file__).read_bytes()
    assert {"z4j/z4j_core/wire.py", "z4j/templates/base.html", "z4j/LICENSES/AGPL-3.0-only.txt"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or "secret" in name and name.endswith(".key")]


def test_the_footer_links_it_unless_another_place_is_set(client, cast, settings):
    client.force_login(cast.users["vera"])
    assert 'href="/source.tar.gz"' in client.get("/harbor/production/workers/").content.decode()
    settings.Z4J_SOURCE_URL = "https://source.example/z4j"
    assert 'href="https://source.example/z4j"' in client.get("/harbor/production/workers/").content.decode()
