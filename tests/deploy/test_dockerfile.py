"""How the Dockerfile is read to be replayed: what is not understood is an error; what Docker leaves out is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
import replay
from dockerfile import Context, Unknown, expand, read

from tests.store import ROOT


def test_ours_is_understood_and_stands_on_a_base_that_can_be_made():
    build, final = read((ROOT / "Dockerfile").read_text())
    assert {build.base, final.base} <= set(replay.BASES)
    assert [step.word for step in final.steps].index("USER") > [step.word for step in final.steps].index("RUN")
    assert {step.options["from"] for step in final.steps if step.word == "COPY"} == {build.name}


@pytest.mark.parametrize(
    "line",
    [
        "ADD https://example.org/x /x", "COPY --chown=1:1 a b", "RUN --mount=type=cache,target=/x pip install y",
        'RUN ["pip", "install"]', "RUN <<END", "# syntax=docker/dockerfile:1", "FROM a AS", "RUN a \\",
        'SHELL ["sh"]',
    ],
)  # fmt: skip
def test_a_line_that_is_not_known_is_an_error(line):
    with pytest.raises(Unknown):
        read(f"FROM a\n{line}\n" if line[0] != "#" else f"{line}\nFROM a\n")


def test_a_step_before_the_first_stage_and_a_list_that_is_none_are_errors():
    with pytest.raises(Unknown, match="before the first FROM"):
        read("RUN true\n")
    [stage] = read("FROM a\nCMD z4j serve\n")
    with pytest.raises(Unknown, match="JSON list"):
        stage.steps[0].parts()


def test_lines_are_joined_without_comments_and_variables_have_values():
    [stage] = read("# about\nFROM a\nRUN one \\\n# between\n && two\n\nENV PATH=/app/bin:$PATH\n")
    assert [(step.number, step.rest) for step in stage.steps] == [(3, "one && two"), (7, "PATH=/app/bin:$PATH")]
    assert expand("/app:${PATH}:$HOME", {"PATH": "/bin", "HOME": "/"}) == "/app:/bin:/"
    with pytest.raises(Unknown):
        expand("$NOBODY", {})


def test_a_base_that_no_release_of_debian_stands_for_is_an_error():
    with pytest.raises(Unknown, match="none of"):
        replay.clean_root("alpine:3")


def test_passwords_history_and_what_was_made_here_do_not_go_into_the_image(tmp_path: Path):
    (tmp_path / ".dockerignore").write_text((ROOT / ".dockerignore").read_text())
    context = Context.of(tmp_path)

    left_out = [
        ".git",
        ".env",
        ".env.production",
        ".venv-z4j-rq",
        ".z4j",
        ".mypy_cache",
        "z4j_brain/lib/__pycache__",
        "tests",
    ]
    taken = ["z4j_brain", "templates", "z4j_agents/z4j-core/src", "requirements/base.txt", "README.md", "LICENSES"]
    assert [name for name in left_out if not context.ignores(tmp_path / name)] == []
    assert [name for name in taken if context.ignores(tmp_path / name)] == []
    (tmp_path / ".dockerignore").write_text("!kept\n")
    with pytest.raises(Unknown):
        Context.of(tmp_path)
