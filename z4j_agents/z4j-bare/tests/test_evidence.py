"""Where evidence is found, and where nothing can be remembered."""

from __future__ import annotations

from z4j_bare import cli
from z4j_bare.durable import is_durable


def test_evidence_is_found_from_the_command_line(host, brain, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("Z4J_DSN", brain.dsn)
    monkeypatch.setenv("Z4J_SPOOL_DIR", str(tmp_path / "spool"))
    assert cli.main(["evidence"]) == 0
    place = tmp_path / "spool" / "k1" / "evidence"
    place.mkdir()
    (place / "fork-1.json").write_text("{}")
    assert cli.main(["evidence"]) == 1
    assert str(place / "fork-1.json") in capsys.readouterr().out


def test_memory_is_no_place_to_remember_in(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nnone {tmp_path}/run tmpfs rw 0 0\n")
    monkeypatch.setattr("z4j_bare.durable._MOUNTS", mounts)
    assert is_durable(tmp_path / "spool", chosen=True)
    assert not is_durable(tmp_path / "run" / "z4j", chosen=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert not is_durable(tmp_path / "z4j-0" / "k1", chosen=False)
