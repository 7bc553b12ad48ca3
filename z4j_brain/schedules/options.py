"""What the verbs on schedules need to know beside their targets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from z4j_brain.lib import timing, zones
from z4j_brain.lib.jsonfield import JsonField
from z4j_brain.lib.timing import Kind, Plan
from z4j_brain.operations.options import Options

#: The ways to say when: one of them.
PLANS = ("cron", "every", "at")


class Moment(forms.CharField):
    """A time as RFC 3339 writes it, kept as text. `local`: without an offset it is a time of some zone, not of UTC."""

    def __init__(self, *, local: bool = False, **kwargs: Any) -> None:
        self.local = local
        super().__init__(**{"max_length": 40, "required": False} | kwargs)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value) or "").strip()
        if not text:
            return ""
        try:
            moment = datetime.fromisoformat(text.replace(" ", "T", 1))
            if moment.tzinfo is None and self.local:
                return moment.isoformat()
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).isoformat()
        except (ValueError, OverflowError):
            raise forms.ValidationError(gettext("A time such as 2026-11-22T14:00:00Z.")) from None


class Disabling(Options):
    until = Moment(
        label=pgettext_lazy("end of a range", "Until"),
        help_text=gettext_lazy("Then it is enabled again; in UTC unless it names an offset. Empty: for good."),
    )

    def clean_until(self) -> str:
        until = str(self.cleaned_data["until"])
        if until and datetime.fromisoformat(until) <= timezone.now():
            raise forms.ValidationError(gettext("That is over already."))
        return until


class Editing(Options):
    """A plan, arguments, a queue: what is left out stays. `version`: of the schedule, as whoever asks has seen it."""

    secret: ClassVar[frozenset[str]] = frozenset({"args", "kwargs"})

    cron = forms.CharField(
        label=gettext_lazy("Cron"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Five fields, or six with the seconds first."),
    )
    every = forms.FloatField(
        label=pgettext_lazy("interval", "Every"),
        required=False,
        min_value=1,
        help_text=gettext_lazy("Seconds, in place of a cron."),
    )
    at = Moment(
        label=pgettext_lazy("moment", "At"),
        local=True,
        help_text=gettext_lazy("Once, at this time of the zone, in place of a cron."),
    )
    zone = forms.CharField(
        label=gettext_lazy("Zone"), required=False, max_length=64, help_text=gettext_lazy("As in Europe/Berlin.")
    )
    args = JsonField(list, label=gettext_lazy("Arguments"), help_text=gettext_lazy('By position, as JSON: [42, "eur"]'))
    kwargs = JsonField(
        dict, label=gettext_lazy("Keyword arguments"), help_text=gettext_lazy('By name, as JSON: {"currency": "eur"}')
    )
    queue = forms.CharField(
        label=gettext_lazy("Queue"), required=False, max_length=255, help_text=gettext_lazy("Empty: as it is.")
    )
    version = forms.IntegerField(
        label=gettext_lazy("Version"),
        required=False,
        min_value=0,
        widget=forms.HiddenInput,
        help_text=gettext_lazy("Refused when it is another."),
    )

    @property
    def agreed(self) -> dict[str, Any]:
        left = [name for name in self.secret if self.data.get(name) in (None, "")]
        return {name: value for name, value in super().agreed.items() if name not in left}

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            self._check(found)
        return found

    def _check(self, found: Mapping[str, Any]) -> None:
        said = [name for name in PLANS if found.get(name) not in (None, "")]
        if len(said) > 1:
            self.add_error(said[1], gettext("Either %(one)s or %(other)s.") % {"one": said[0], "other": said[1]})
            return
        try:
            plan = planned(found)
            timing.parse(plan or Plan(Kind.OTHER, zone=found.get("zone") or "UTC"))
        except timing.Wrong as error:
            self.add_error(error.field, str(error))
            return
        if plan and timing.next_after(plan, timezone.now()) is None:
            over = gettext("That is over already.") if plan.kind == Kind.ONCE else gettext("It would never be due.")
            self.add_error(said[0], over)
        elif not self.agreed.keys() & _CHANGES:
            raise forms.ValidationError(gettext("Say what is to be another: a plan, a zone, a queue or arguments."))


_CHANGES = frozenset({*PLANS, "zone", "args", "kwargs", "queue"})


class Creating(Editing):
    task = forms.CharField(
        label=gettext_lazy("Task"), max_length=512, help_text=gettext_lazy("Its name, as its workers know it.")
    )
    field_order = ("task", *PLANS, "zone", "args", "kwargs", "queue")

    def _check(self, found: Mapping[str, Any]) -> None:
        if all(found.get(name) in (None, "") for name in PLANS):
            self.add_error("cron", gettext("Say when: a cron, or every so many seconds, or once at a time."))
            return
        super()._check(found)


def planned(options: Mapping[str, Any], zone: str = "") -> Plan | None:
    """The plan that these options name; None where they name none. `zone`: what it is where they do not say."""
    where = str(options.get("zone") or zone or "UTC")
    if options.get("cron"):
        return Plan(Kind.CRON, cron=str(options["cron"]), zone=where)
    if options.get("every"):
        return Plan(Kind.INTERVAL, every=round(float(options["every"]) * 1_000_000), zone=where)
    if options.get("at"):
        return Plan(Kind.ONCE, at=moment(str(options["at"]), where), zone=where)
    return None


def moment(text: str, where: str) -> datetime:
    """In UTC; what the clocks of its zone never show, or show twice, is `Wrong`."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is not None:
        return found.astimezone(UTC)
    try:
        here = zones.zone(where)
    except ValueError as error:
        raise timing.Wrong("zone", str(error)) from None
    try:
        return zones.exact(found, here)
    except (ValueError, OverflowError) as error:
        raise timing.Wrong("at", str(error)) from None


def notices(options: Mapping[str, Any], zone: str = "") -> list[str]:
    """What changed clocks do to the plan that these options name, in sentences."""
    plan = planned(options, zone)
    return [change.what for change in timing.changes(plan, timezone.now())] if plan else []
