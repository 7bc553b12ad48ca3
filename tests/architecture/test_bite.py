"""A rule that never failed proves nothing: each reports the violation seeded for it, and only then."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import boundaries, texts, words, writes
from tests.architecture.rule import ROOT, RULES

assert boundaries and texts and words and writes  # importing them registers their rules


def package(*dependencies):
    return f'[project]\nname = "x"\ndependencies = {list(dependencies)}\n'


ACTION = "from z4j_brain.rbac.action import action\n"
REUSE = Path(sys.executable).parent / "reuse"
MARKED = "every_word_of_a_template_is_marked_for_translation"
HOOKS = "z4j_agents/z4j-x/src/z4j_x/hooks.py"

# rule, file of a small tree, its content. Each stands alone.
SEEDS = [
    (MARKED, "templates/a.html", "<h1>Tasks</h1>"),
    (MARKED, "templates/a.html", '<a title="Open it"></a>'),
    (
        "every_word_of_a_template_is_marked_for_translation",
        "templates/tasks/list.html",
        '{{ name|default:"Unnamed task" }}',
    ),
    (
        "every_word_of_a_template_is_marked_for_translation",
        "templates/tasks/list.html",
        "{{ count }} task{{ count|pluralize }}",
    ),
    (
        "every_word_of_a_template_is_marked_for_translation",
        "templates/tasks/list.html",
        '{% include "x.html" with title="Owners" %}',
    ),
    ("doors_never_write", "z4j_brain/tasks/pages.py", "def retry(task): task.save()"),
    ("doors_never_write", "z4j_brain/tasks/api.py", "def clear(rows): rows.update(state=1)"),
    ("doors_never_write", "z4j_brain/gateway/writer.py", "def go(model): model.objects.bulk_create([])"),
    ("doors_hold_no_manager", "z4j_brain/tasks/consumers.py", "def rows(Task): return Task.objects.all()"),
    ("nothing_else_writes", "z4j_brain/tasks/timeline.py", "def touch(task): task.save()"),
    ("nothing_else_writes", "z4j_brain/tasks/queries.py", "def rows(Task): Task.objects.filter(id=1).update(name='')"),
    ("every_public_function_of_actions_is_an_action", "z4j_brain/tasks/actions.py", "def retry(task, *, actor): ..."),
    (
        "every_action_takes_a_keyword_only_actor",
        "z4j_brain/a/actions.py",
        f"{ACTION}@action(1)\ndef f(actor): ...",
    ),
    (
        "every_action_takes_a_keyword_only_actor",
        "z4j_brain/a/actions.py",
        f"{ACTION}@action(1)\ndef f(*, actor=None): ...",
    ),
    (
        "actions_do_not_call_actions",
        "z4j_brain/a/actions.py",
        f"{ACTION}@action(1)\ndef f(*, actor): ...\n@action(1)\ndef g(*, actor): f(actor=actor)",
    ),
    ("actions_do_not_call_actions", "z4j_brain/tasks/actions.py", "from z4j_brain.rbac.actions import revoke_token"),
    ("no_import_hides_in_a_function", "z4j_brain/tasks/pages.py", "def f():\n    import json"),
    (
        "no_import_hides_in_a_function",
        HOOKS,
        "async def f():\n    from json import loads",
    ),
    ("the_brain_imports_no_agent_package_but_the_core", "z4j_brain/tasks/ingest.py", "from z4j_bare import spool"),
    ("agents_import_the_core_and_what_they_declare", HOOKS, "import z4j_brain.lib"),
    ("agents_import_the_core_and_what_they_declare", HOOKS, "import z4j_other"),
    ("agents_import_the_core_and_what_they_declare", HOOKS, "import numpy as np"),
    ("the_brain_imports_what_it_declares", "z4j_brain/tasks/queries.py", "import numpy"),
    ("the_brain_imports_what_it_declares", "z4j_brain/tasks/queries.py", "from django_stubs_ext import StrOrPromise"),
    (
        "agent_packages_depend_downwards_only",
        "z4j_agents/z4j-core/pyproject.toml",
        package("attrs"),
    ),
    (
        "agent_packages_depend_downwards_only",
        "z4j_agents/z4j-bare/pyproject.toml",
        package("httpx"),
    ),
    ("agent_packages_depend_downwards_only", "z4j_agents/z4j-x/pyproject.toml", package("z4j-y")),
    ("agent_packages_depend_downwards_only", "z4j_agents/z4j-x/pyproject.toml", package("z4j>=1")),
    ("no_agent_package_depends_on_redis", "z4j_agents/z4j-x/pyproject.toml", package("redis>=5")),
    ("no_agent_package_depends_on_redis", "z4j_agents/z4j-x/pyproject.toml", package("x[redis]")),
    ("the_wire_is_versioned_in_one_place", "z4j_agents/z4j-x/src/z4j_x/send.py", 'PATH = "/agent/v1/events"'),
    ("the_wire_is_versioned_in_one_place", "z4j_brain/gateway/parser.py", 'answer = {"v": 1}'),
    ("only_its_adapter_names_an_engine", "Makefile", "test:\n\tcd z4j_agents/z4j-celery && pytest"),
    ("only_its_adapter_names_an_engine", "tools/everything.py", 'VENVS = [".venv-z4j-rq"]'),
    ("only_its_adapter_names_an_engine", "z4j_agents/z4j-bare/src/z4j_bare/runtime.py", 'if engine == "celery": pass'),
    ("modules_are_named_after_what_they_hold", "z4j_brain/tasks/utils.py", ""),
    ("modules_are_named_after_what_they_hold", "z4j_agents/z4j-x/src/z4j_x/helpers/text.py", ""),
    ("files_fit_in_one_head", "z4j_brain/tasks/queries.py", "\n" * 401),
    ("files_fit_in_one_head", HOOKS, "\n" * 301),
    ("files_fit_in_one_head", "static/css/app.css", "\n" * 401),
    ("the_brain_names_no_engine", "z4j_brain/tasks/queries.py", 'def f(task): return task.engine == "celery"'),
    ("the_brain_names_no_engine", "z4j_brain/tasks/ingest.py", "from dramatiq import Message"),
    ("the_brain_names_no_engine", "templates/tasks/detail.html", '{% if task.engine == "rq" %}'),
    ("templates_keep_the_strict_policy", "templates/a.html", '<p style="color: red">'),
    ("templates_keep_the_strict_policy", "templates/a.html", "<style>p { color: red }</style>"),
    ("templates_keep_the_strict_policy", "templates/a.html", "<script>alert(1)</script>"),
    ("templates_keep_the_strict_policy", "templates/a.html", '<a onclick="go()">'),
    ("templates_keep_the_strict_policy", "templates/a.html", "{{ task.args|safe }}"),
    ("templates_keep_the_strict_policy", "templates/a.html", "{% autoescape off %}"),
    ("templates_keep_the_strict_policy", "templates/a.html", '<script src="https://cdn.example/x.js"></script>'),
    ("python_marks_nothing_safe", "z4j_brain/panel/templatetags.py", "from django.utils.safestring import mark_safe"),
    ("no_log_entry_escapes_erasure", "z4j_brain/audit/queries.py", "from auditlog.models import LogEntry"),
    ("no_document_installs_z4j_by_name", "README.md", "    pip install z4j"),
    ("no_document_installs_z4j_by_name", "docs/quickstart.md", "Run `uv pip install -U z4j-celery` first."),
    ("no_document_installs_z4j_by_name", "templates/empty.html", "<code>pip install 'z4j-core[x]>=1' celery</code>"),
    ("no_machine_or_registry_is_named", "Dockerfile", "FROM ghcr" + ".io/z4j/brain"),
    ("no_machine_or_registry_is_named", "compose.yaml", "image: registry.example" + ".org/z4j"),
    ("no_machine_or_registry_is_named", "tools/x.py", 'ROOT = "/home/' + 'me/z4j"'),
]


#: What the rules take for the engines of the tree.
REGISTERED = '\n[project.entry-points."z4j.engines"]\ncelery = "z4j_x:X"\nrq = "z4j_x:Y"\n'


@pytest.mark.parametrize(("name", "path", "text"), SEEDS, ids=[f"{seed[0]}-{n}" for n, seed in enumerate(SEEDS)])
def test_the_rule_reports_what_breaks_it(name, path, text, tmp_path):
    write(tmp_path, "pyproject.toml", package())
    write(tmp_path, "z4j_agents/z4j-x/pyproject.toml", package() + REGISTERED)
    write(tmp_path, "z4j_agents/z4j-x/src/z4j_x/__init__.py", "")
    assert list(RULES[name](tmp_path)) == []

    write(tmp_path, path, text)

    broken = list(RULES[name](tmp_path))
    assert broken and broken[0].startswith(f"{path}:")


def test_every_rule_was_seen_to_bite():
    elsewhere = {"every_commit_is_signed_off", "every_z4j_module_comes_from_this_tree"}  # the two tests below
    assert {seed[0] for seed in SEEDS} | elsewhere == set(RULES)


def test_a_commit_without_sign_off_is_reported(tmp_path):
    git = ["git", "-c", "user.name=vera", "-c", "user.email=vera@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["commit", "-qs", "--allow-empty", "-m", "fine"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    assert list(RULES["every_commit_is_signed_off"](tmp_path)) == []

    foreign = "oops\n\nSigned-off-by: olive <olive@example.org>"
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", foreign], cwd=tmp_path, check=True)

    assert "no Signed-off-by of vera@example.org" in next(RULES["every_commit_is_signed_off"](tmp_path))


def test_a_stranger_of_our_name_is_reported(tmp_path):
    subprocess.run(["python3", "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    assert list(RULES["every_z4j_module_comes_from_this_tree"](tmp_path)) == []

    site = next((tmp_path / ".venv").glob("lib/python*/site-packages"))
    write(site, "z4j_core/__init__.py", "")

    assert "which is not ours" in next(RULES["every_z4j_module_comes_from_this_tree"](tmp_path))


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_vendored_file_without_a_licence_is_reported(tmp_path):
    shutil.copytree(ROOT / "LICENSES", tmp_path / "LICENSES")
    shutil.copy(ROOT / "REUSE.toml", tmp_path)
    write(tmp_path, "static/vendor/chart/chart.js", "export default 1")

    lint = subprocess.run([REUSE, "--root", tmp_path, "lint", "--lines"], capture_output=True, text=True)

    assert lint.returncode == 1 and "static/vendor/chart/chart.js: no license identifier" in lint.stdout
