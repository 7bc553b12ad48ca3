"""The tree keeps every rule of the architecture that a program can check."""

from __future__ import annotations

import pytest

from tests.architecture import boundaries, texts, words, writes
from tests.architecture.rule import ROOT, RULES

assert boundaries and texts and words and writes  # importing them registers their rules


@pytest.mark.parametrize("name", sorted(RULES))
def test_the_tree_keeps_the_rule(name):
    broken = list(RULES[name](ROOT))
    assert not broken, "\n" + "\n".join(broken) + "\nSee CONTRIBUTING.md, 'The rules'."
