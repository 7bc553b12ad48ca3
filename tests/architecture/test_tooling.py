"""The tools find a new engine by themselves, count honestly, and the references say what the code says."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.architecture.rule import ROOT

PYPROJECT = '[project]\nname = "z4j-nova"\ndependencies = ["z4j-core", "nova>=1"]\n'


@pytest.fixture
def tools(monkeypatch):
    """The modules of tools/, which are scripts and not a package."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    names = ("tree", "environments", "everything", "bench", "reference")
    yield lambda name: __import__(name)
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def tree(tmp_path):
    """A tree in which somebody added an engine and edited nothing."""
    nova = tmp_path / "z4j_agents" / "z4j-nova"
    (nova / "src" / "z4j_nova").mkdir(parents=True)
    (nova / "tests").mkdir()
    (nova / "pyproject.toml").write_text(PYPROJECT)
    (nova / "requirements.txt").write_text("")
    (nova / "system.txt").write_text("nova-server no-such-program-nova  # its broker\n")
    for name in ("src/z4j_nova/__init__.py", "tests/test_hooks.py", "tests/bench_hooks.py"):
        (nova / name).touch()
    core = tmp_path / "z4j_agents" / "z4j-core"
    core.mkdir()
    (core / "pyproject.toml").write_text('[project]\nname = "z4j-core"\n')
    return tmp_path


def test_a_new_engine_is_installed_with_its_siblings(tools, tree, monkeypatch):
    environments = tools("environments")
    monkeypatch.setattr(environments, "ROOT", tree)
    installed = []
    monkeypatch.setattr(
        environments, "_environment", lambda venv, requirements, paths, python: installed.append((venv, paths))
    )

    environments._engine(tree / "z4j_agents" / "z4j-nova")

    folders = [tree / "z4j_agents" / name for name in ("z4j-core", "z4j-nova")]
    assert installed == [(tree / ".venv-z4j-nova", folders)]
    assert environments.missing_parts() == ["nova-server"]


def test_a_new_engine_is_tested_and_measured_in_its_own_environment(tools, tree):
    own = tree / ".venv-z4j-nova" / "bin" / "python"
    part = next(part for part in tools("everything").parts(tree) if part.name == "z4j-nova")
    assert part.python == own
    assert ("z4j-nova/hooks", own) in [(name, python) for name, python, _ in tools("bench").scripts(tree)]


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("def test_a(): pass", "1 passed, 0 failed"),
        ("def test_a(): assert False", "0 passed, 1 failed"),
        ("import nothing_of_this_name", "0 passed, 2 failed"),  # the error, and a run that pytest could not finish
        ("import os\nos._exit(0)", "0 passed, 1 failed"),
        ("import pytest\ndef test_a(): pytest.skip('no broker')", "0 passed, 1 failed"),  # in CI
        ("", "0 passed, 1 failed"),
    ],
    ids=["passed", "failed", "broken", "silent", "missing", "empty"],
)
def test_the_last_line_counts_what_happened(tools, tmp_path, source, last, capsys, monkeypatch):
    everything = tools("everything")
    monkeypatch.setattr(everything, "CI", True)
    monkeypatch.setattr(everything, "REPORTS", tmp_path)
    (tmp_path / "test_it.py").write_text(source)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = soak: long\n")
    part = everything.Part("it", sys.executable, ["-p", "no:django", "-c", "pytest.ini", "test_it.py"], folder=tmp_path)

    code = everything.report([everything.run(part, soak=False)])

    assert capsys.readouterr().out.splitlines()[-1] == last
    assert code == (0 if last == "1 passed, 0 failed" else 1)


def test_what_fails_once_runs_once_more_and_is_named_and_what_fails_twice_has_failed(
    tools, tmp_path, capsys, monkeypatch
):
    everything = tools("everything")
    monkeypatch.setattr(everything, "REPORTS", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = soak: long\n")
    (tmp_path / "test_steady.py").write_text("def test_a(): pass\ndef test_wrong(): assert False")
    busy = "from pathlib import Path\ndef test_busy():\n    seen = Path('seen')\n    was = seen.exists()\n"
    (tmp_path / "test_busy.py").write_text(busy + "    seen.touch()\n    assert was")
    settings = ["-p", "no:django", "-c", "pytest.ini"]
    chosen = [
        everything.Part(name, sys.executable, [*settings, f"test_{name}.py"], folder=tmp_path)
        for name in ("steady", "busy")
    ]

    code = everything.report(everything.run_all(chosen, soak=False))

    told = capsys.readouterr().out.splitlines()
    assert (code, told[-1]) == (1, "2 passed, 1 failed")
    assert [line for line in told if line.startswith("unsteady")] == [
        "unsteady, it passed the second time: test_busy.test_busy"
    ]


def test_the_references_say_what_the_code_says():
    command = [sys.executable, "tools/reference.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_word_of_the_panel_is_in_the_catalogs_and_translated():
    result = subprocess.run([sys.executable, "tools/messages.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_stale_reference_is_reported(tools, tmp_path, monkeypatch, capsys):
    reference = tools("reference")
    shutil.copytree(ROOT / "docs" / "reference", tmp_path / "reference")
    monkeypatch.setattr(reference, "FOLDER", tmp_path / "reference")
    with (tmp_path / "reference" / "protocol.md").open("a") as page:
        page.write("And something that nobody implemented.\n")
    monkeypatch.setattr(sys, "argv", ["reference.py", "--check"])

    assert reference.main() == 1 and "protocol.md" in capsys.readouterr().out


def test_a_package_is_also_tried_with_the_oldest_engine_and_other_pythons(tools, tree):
    nova = tree / "z4j_agents" / "z4j-nova"
    (nova / "requirements-lowest.txt").touch()
    (nova / "requirements-python3.99.txt").touch()
    (nova / "tests" / "test_conformance.py").touch()
    for variant in ("lowest", "python3.99"):
        python = tree / f".venv-z4j-nova-{variant}" / "bin" / "python"
        python.parent.mkdir(parents=True)
        if variant == "lowest":
            python.touch()

    parts = {part.name: part for part in tools("everything").parts(tree)}

    assert parts["z4j-nova-lowest"].arguments[-1] == nova / "tests" / "test_conformance.py"
    assert "z4j-nova-python3.99" not in parts, "its environment is not there: no such Python on this machine"
    assert tools("tree").interpreter("python3.99") is None
    assert tools("tree").interpreter("lowest") == sys.executable
