"""Engines are found when they come into use, not before, and not twice."""

from __future__ import annotations

import sys

import pytest
import z4j_bare

LATE = """
from __future__ import annotations
import sys
from z4j_core.engine import Engine
class Late(Engine):
    name = "late"
    @classmethod
    def find(cls):
        return cls() if hasattr(sys.modules["late"], "app") else None
"""


@pytest.fixture
def engines(tmp_path, monkeypatch):
    """Those that are attached, looked up anew; there is an adapter for an engine called late."""
    info = tmp_path / "z4j_late-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: z4j-late\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[z4j.engines]\nlate = z4j_late:Late\n")
    (tmp_path / "z4j_late.py").write_text(LATE)
    (tmp_path / "late.py").write_text("")
    (tmp_path / "other.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    z4j_bare.configure(DSN="http://z4ja_k1_x@127.0.0.1:9/a/b?key=x", SPOOL_DIR=str(tmp_path / "spool"))
    yield lambda: [*z4j_bare.agent().engines]
    z4j_bare.configure(DSN="")
    z4j_bare.configure()
    assert not (tmp_path / "spool").exists()
    for name in ("late", "z4j_late", "other"):
        sys.modules.pop(name, None)


def test_an_engine_is_attached_once_its_app_is_there(engines):
    z4j_bare.look_again()
    assert engines() == []
    __import__("late")
    z4j_bare.look_again()
    assert engines() == [], "it has no app yet"
    sys.modules["late"].app = object()
    __import__("other")
    z4j_bare.look_again()
    assert engines() == ["late"]
    found = z4j_bare.agent().engines["late"]
    z4j_bare.look_again("late")
    assert z4j_bare.agent().engines["late"] is found


def test_an_engine_that_is_named_is_looked_for_although_nothing_was_imported(engines):
    z4j_bare.look_again()
    __import__("late").app = object()
    z4j_bare.look_again("late")
    assert engines() == ["late"]


def test_while_nothing_is_imported_nobody_is_asked(engines, monkeypatch):
    for _ in range(3):
        z4j_bare.look_again()  # the adapters themselves may have been imported by a look
    asked = []
    monkeypatch.setattr(type(z4j_bare.agent()), "discover", lambda self, *named: asked.append(named))
    z4j_bare.look_again()
    assert asked == []
    __import__("other")
    z4j_bare.look_again()
    z4j_bare.look_again()
    assert asked == [()]


def test_without_a_dsn_looking_does_nothing():
    z4j_bare.configure(DSN="")
    z4j_bare.look_again()
    assert not hasattr(z4j_bare.agent(), "engines")
