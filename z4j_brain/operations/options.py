"""How an operation is to go about it: pace, order, when to stop, and what its verb needs to know.

One form serves the panel and the API. A verb that takes parameters has a form of its own on top of this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext, gettext_lazy
from z4j_core.redaction import Redactor

from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault

#: How long an operation waits for agents, and for the events that confirm it, unless it says otherwise.
LIFE = timedelta(minutes=10)
LONGEST = timedelta(days=7)
MOST_RATE = 10_000
OLDEST, NEWEST = "oldest", "newest"
ORDERS = {OLDEST: gettext_lazy("oldest first"), NEWEST: gettext_lazy("newest first")}


class Options(forms.Form):
    """`params`: the fields that travel to the agent, each with the agent's name for it; all others are ours."""

    params: ClassVar[Mapping[str, str]] = {}
    #: Those of them that may hold what nobody else should read: told by their shape alone, and forgotten at the end.
    secret: ClassVar[frozenset[str]] = frozenset()

    rate = forms.FloatField(
        label=gettext_lazy("Rate"),
        required=False,
        min_value=0.01,
        max_value=MOST_RATE,
        help_text=gettext_lazy("Targets a second."),
    )
    stop_after = forms.IntegerField(
        label=gettext_lazy("Stop after"),
        required=False,
        min_value=1,
        max_value=1_000_000,
        help_text=gettext_lazy("Pauses after so many failures."),
    )
    order = forms.ChoiceField(
        label=gettext_lazy("Order"),
        required=False,
        choices=list(ORDERS.items()),
        help_text=gettext_lazy("Which go first: oldest or newest."),
    )
    delay = forms.IntegerField(
        label=gettext_lazy("Delay"),
        required=False,
        min_value=0,
        max_value=24 * 3600,
        help_text=gettext_lazy("Seconds before the first is sent: until then all of it can be taken back."),
    )
    valid_for = forms.IntegerField(
        label=gettext_lazy("Valid for"),
        required=False,
        min_value=30,
        max_value=int(LONGEST.total_seconds()),
        help_text=gettext_lazy(
            "Seconds that an agent which does not answer now has to come back; 600 unless told otherwise."
        ),
    )
    wait = forms.NullBooleanField(
        label=gettext_lazy("If no agent answers"),
        required=False,
        widget=forms.Select(
            choices=[
                ("", gettext_lazy("as usual")),
                ("true", gettext_lazy("wait until one does")),
                ("false", gettext_lazy("leave it out")),
            ]
        ),
        help_text=gettext_lazy("As usual: wait for targets that were named, leave out those that a filter found."),
    )
    again = forms.BooleanField(
        label=gettext_lazy("Again"),
        required=False,
        help_text=gettext_lazy("Also what was retried already; it then runs once more."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            kind = "select" if isinstance(field.widget, forms.Select) else "input"
            field.widget.attrs.setdefault("class", kind)
            field.widget.attrs |= {"id": f"option-{name}", "autocomplete": "off"}

    @property
    def own(self) -> list[forms.BoundField]:
        """What the verb itself needs to know."""
        return [self[name] for name in self.fields if name not in PACE and not self[name].is_hidden]

    @property
    def pace(self) -> list[forms.BoundField]:
        return [self[name] for name in PACE if not isinstance(self.fields[name].widget, forms.CheckboxInput)]

    @property
    def agreed(self) -> dict[str, Any]:
        """What was chosen, without what was left open."""
        return {name: value for name, value in self.cleaned_data.items() if not _is_open(value)}


PACE = tuple(Options.base_fields)
#: How a form, a program or a person says yes, no, and neither.
_YES_OR_NO = frozenset({"true", "false", "on", "off", "1", "0", "2", "3", "unknown", ""})


def _is_open(value: Any) -> bool:
    """Nothing was chosen. A nought is a choice."""
    return value is None or value is False or value == ""


def read(form: type[Options], given: Mapping[str, Any], pointer: str = "#/options") -> dict[str, Any]:
    """The options as they were given, checked; a problem of status 400 that points at each that is wrong."""
    faults = [
        Fault(pointer=f"{pointer}/{name}", detail=detail)
        for name, value in given.items()
        if (detail := _strange(form.base_fields.get(name), value))
    ]
    if faults:
        raise invalid(faults)
    filled = form(dict(given))
    if not filled.is_valid():
        faults += [
            Fault(pointer=f"{pointer}/{name}".removesuffix("/__all__"), detail=str(error))
            for name, errors in filled.errors.items()
            for error in errors
        ]
        raise invalid(faults)
    agreed = filled.agreed
    return agreed | ({"wait": False} if filled.cleaned_data.get("wait") is False else {})


def _strange(field: forms.Field | None, value: Any) -> str:
    """What is wrong with a value before its field looks at it: forms expect what a browser sends."""
    if field is None:
        return gettext("Unknown option.")
    if isinstance(field, forms.JSONField):
        return ""
    if isinstance(value, list | dict):
        return gettext("One value, not several.")
    if isinstance(value, int) and abs(value) >= 2**63:
        return gettext("Too large.")
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return gettext("A character in it is none that a text can have.")
    if isinstance(field, forms.BooleanField | forms.NullBooleanField):
        known = value is None or str(value).lower() in _YES_OR_NO
        return "" if known else gettext("true or false.")
    return gettext("Not true or false.") if isinstance(value, bool) else ""


def told(form: type[Options], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as anybody may read them."""
    shapes = Redactor()
    return {name: shapes.value(value)[0] if name in form.secret else value for name, value in options.items()}


def params(form: type[Options], options: Mapping[str, Any]) -> dict[str, Any]:
    """What of the options an agent has to know."""
    return {theirs: options[ours] for ours, theirs in form.params.items() if ours in options}
