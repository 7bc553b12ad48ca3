"""A field of a form in which plain JSON is typed, or that the API gives: of one shape, not too long nor too deep."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext

from z4j_brain.lib.jsonbody import finite, refuse_constant

#: Characters that one value may have.
LONGEST = 16_384
DEEPEST = 32


class JsonField(forms.JSONField):
    """Plain JSON, as text or as it comes from the API."""

    shape: type

    def __init__(self, shape: type, **kwargs: Any) -> None:
        self.shape = shape
        widget = forms.Textarea(attrs={"rows": 3, "class": "input mono", "spellcheck": "false", "autocomplete": "off"})
        super().__init__(required=False, widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Nothing is an empty field, not the word for it."""
        return "" if value is None else super().prepare_value(value)

    def clean(self, value: Any) -> Any:
        read = self._read(value)
        if _depth(read) > DEEPEST:
            raise forms.ValidationError(gettext("Nested at most %(n)s deep.") % {"n": DEEPEST})
        found = super().clean(read)
        if found in (None, ""):
            return self.shape()
        if not isinstance(found, self.shape):
            raise forms.ValidationError(
                'A list such as [1, "a"].' if self.shape is list else 'An object such as {"a": 1}.'
            )
        if not _can_be_kept(found):
            raise forms.ValidationError("A character in it is none that a text can have.")
        if len(repr(found)) > LONGEST:
            raise forms.ValidationError(gettext("At most %(n)s characters.") % {"n": f"{LONGEST:,}"})
        return found

    def _read(self, value: Any) -> Any:
        """Text as strictly as the API reads it."""
        if not isinstance(value, str) or not value.strip():
            return value
        try:
            return json.loads(value, parse_constant=refuse_constant, parse_float=finite)
        except (ValueError, RecursionError):
            raise forms.ValidationError(gettext("This is not valid JSON.")) from None


def _depth(value: Any, most: int = 64) -> int:
    """How deep it is nested; no deeper than `most` is looked at."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(part, most - 1) for part in parts), default=0) if most else 0


def _can_be_kept(value: Any) -> bool:
    """No store keeps a NUL or half a character."""
    if isinstance(value, str):
        return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, dict):
        return all(_can_be_kept(name) and _can_be_kept(part) for name, part in value.items())
    return not isinstance(value, list) or all(map(_can_be_kept, value))
