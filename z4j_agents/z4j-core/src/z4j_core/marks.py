"""What stands where something was hidden, and which built-in rules hid it."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from z4j_core import secret_names, secret_phrases, secret_text

#: Any mark in a text. The group "rule" says what hid it: a project's rule, the name of what was hidden, or a kind of
#: secret; `redacted` where the text around it says that.
MARK: Final = re.compile(
    r"\[(?:redacted:)?(?P<rule>(?<=:)[^\[\]\s]{1,64}|redacted|private key|card|email|iban|jwt|secret|ssn|token)\]"
)


def _version() -> str:
    """Another one for each change of a pattern or of a list of names."""
    digest = hashlib.sha256()
    for module in (secret_names, secret_phrases, secret_text):
        for name, value in sorted(vars(module).items()):
            if isinstance(value, re.Pattern):
                digest.update(f"{name} {value.pattern}\0".encode())
            elif isinstance(value, (frozenset, tuple)):
                digest.update(f"{name} {sorted(map(str, value))}\0".encode())
    return digest.hexdigest()[:8]


#: The built-in rules: the same where the same patterns and names are looked for.
RULES_VERSION: Final = _version()
