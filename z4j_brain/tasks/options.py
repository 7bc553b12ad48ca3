"""What the verbs on tasks need to know beside their targets."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext, gettext_lazy
from z4j_core import revealed

from z4j_brain.lib.jsonfield import JsonField
from z4j_brain.operations.options import Options


class Arguments(Options):
    """Arguments in place of the original ones."""

    params: ClassVar[Mapping[str, str]] = {"args": "args", "kwargs": "kwargs"}
    secret: ClassVar[frozenset[str]] = frozenset({"args", "kwargs"})

    args = JsonField(list, label=gettext_lazy("Arguments"), help_text=gettext_lazy('By position, as JSON: [42, "eur"]'))
    kwargs = JsonField(
        dict, label=gettext_lazy("Keyword arguments"), help_text=gettext_lazy('By name, as JSON: {"currency": "eur"}')
    )

    @property
    def agreed(self) -> dict[str, Any]:
        return {"args": [], "kwargs": {}} | super().agreed


class Running(Arguments):
    params: ClassVar[Mapping[str, str]] = {"args": "args", "kwargs": "kwargs", "queue": "queue"}

    queue = forms.CharField(
        label=gettext_lazy("Queue"),
        required=False,
        max_length=255,
        help_text=gettext_lazy("Empty: where the task goes by itself."),
    )


class Revealing(Options):
    """The public half of a key that only whoever asks has."""

    params: ClassVar[Mapping[str, str]] = {revealed.TO: revealed.TO}

    to = forms.CharField(
        label=gettext_lazy("To"),
        max_length=44,
        help_text=gettext_lazy("A one-time X25519 key, public, in base64: z4j makes one."),
    )

    def clean_to(self) -> str:
        given = str(self.cleaned_data[revealed.TO])
        try:
            if len(base64.b64decode(given, validate=True)) == 32:
                return given
        except ValueError:
            pass
        raise forms.ValidationError(gettext("32 bytes in base64."))


class Moving(Options):
    params: ClassVar[Mapping[str, str]] = {"queue": "queue"}

    queue = forms.CharField(
        label=gettext_lazy("To queue"), max_length=255, help_text=gettext_lazy("The name of the queue they go to.")
    )
