"""Prints what can be asked of targets as JSON: each action with its permission, its words and its options."""

from __future__ import annotations

import json
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "z4j_brain.settings")
django.setup()

from z4j_brain.operations import verbs  # noqa: E402 - the apps register theirs when they are ready
from z4j_brain.operations.options import PACE, Options  # noqa: E402


def told(form: type[Options], names: list[str]) -> list[list[str]]:
    fields = [(name, form.base_fields[name]) for name in names]
    return [[name, "yes" if one.required else "", f"{one.label}. {one.help_text}".strip()] for name, one in fields]


def action(verb: verbs.Verb) -> dict[str, object]:
    own = [name for name in verb.options.base_fields if name not in PACE]
    facts = {"kind": verb.kind, "permission": verb.permission.value, "promise": str(verb.promise), "typed": verb.typed}
    return facts | {"options": told(verb.options, own), "undoable": verb.undoable}


actions = {name: action(verb) for name in verbs.names() if (verb := verbs.find(name))}
print(json.dumps({"actions": actions, "pace": told(Options, list(PACE))}))
