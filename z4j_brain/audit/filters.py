"""Which entries somebody looks for: who, what, on what, how it ended, since when, and words of the reason.

`?q=who:mara verb:task.retry mail relay&since=7d`: a qualifier may stand in the box or as a parameter of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from z4j_brain.audit.queries import private_part
from z4j_brain.ledger.models import Entry
from z4j_brain.ledger.states import Outcome
from z4j_brain.rbac.models import Token, User

LONGEST = 512
KEYS = ("who", "verb", "target", "outcome")
RANGES: dict[str, timedelta | None] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "all": None,
}
USUAL = "all"
#: Reasons can be erased, so no index holds their words: so many entries are read for them, the newest.
READ = 20_000
#: And so many of those that match are shown.
MATCHED = 1_000
_QUALIFIER = re.compile(r'(?<!\S)(who|verb|target|outcome):(?:"([^"]*)"|(\S+))')
#: People and tokens that one name may mean.
MEANT = 100


@dataclass(frozen=True, slots=True)
class View:
    """One reading of the list. Every link of the page is a changed copy of it. `notes`: what was not understood."""

    text: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict)
    since: str = USUAL
    after: datetime | None = None
    before: datetime | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: Mapping[str, str]) -> View:
        typed, text = _typed(query.get("q", "").replace("\0", "")[:LONGEST])
        beside = {key: str(query[key])[:LONGEST] for key in KEYS if query.get(key)}
        since = query.get("since", "")
        notes = (
            [gettext("There is no time range %(since)s.") % {"since": since}] if since and since not in RANGES else []
        )
        limits = {}
        for name in ("after", "before"):
            limits[name] = _moment(query.get(name, ""))
            if query.get(name) and limits[name] is None:
                notes.append(gettext("%(text)s is no time: write 2026-11-22T14:00.") % {"text": query[name][:40]})
        found = beside | typed
        if found.get("outcome") and found["outcome"] not in Outcome.values:
            text = gettext("No outcome is called %(name)s: there are %(known)s.")
            notes.append(text % {"name": found["outcome"], "known": ", ".join(Outcome.values)})
        span = since if since in RANGES else USUAL
        return cls(text, found, span, limits["after"], limits["before"], tuple(notes))

    def narrowed(self, rows: QuerySet[Entry]) -> QuerySet[Entry]:
        rows = rows.filter(self._times(), *(_CONDITIONS[key](value) for key, value in self.qualifiers.items()))
        return matching(rows, self.text) if self.text else rows

    def _times(self) -> Q:
        span = RANGES[self.since]
        after = self.after or (timezone.now() - span if span else None)
        return between(after, self.before)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.qualifiers or self.after or self.before or self.since != USUAL)

    @property
    def parameters(self) -> dict[str, str]:
        span = {"since": self.since} if self.since != USUAL else {}
        limits = {"after": self.after, "before": self.before}
        told = {name: moment.isoformat() for name, moment in limits.items() if moment}
        return {key: value for key, value in {"q": self.text, **self.qualifiers}.items() if value} | span | told

    @property
    def query(self) -> str:
        return urlencode(self.parameters)

    @property
    def address(self) -> str:
        return f"?{self.query}"

    @property
    def tokens(self) -> Iterator[tuple[str, str, str]]:
        """Each qualifier, with the address of the view without it."""
        for key, value in self.qualifiers.items():
            rest = {name: kept for name, kept in self.qualifiers.items() if name != key}
            yield key, value, replace(self, qualifiers=rest).address

    @property
    def ranges(self) -> Iterator[tuple[str, str, bool]]:
        chosen = "" if self.after or self.before else self.since
        for name in RANGES:
            yield name, replace(self, since=name, after=None, before=None).address, name == chosen

    @property
    def outcomes(self) -> Iterator[tuple[Outcome, str, bool]]:
        chosen = self.qualifiers.get("outcome", "")
        for outcome in Outcome:
            narrowed = replace(self, qualifiers={**self.qualifiers, "outcome": outcome.value})
            yield outcome, narrowed.address, outcome.value == chosen

    @property
    def any_outcome(self) -> str:
        rest = {name: kept for name, kept in self.qualifiers.items() if name != "outcome"}
        return replace(self, qualifiers=rest).address


def between(after: datetime | None, before: datetime | None) -> Q:
    """Entries of this stretch. Their ids begin with their time, and the index is by id."""
    found = Q()
    if after:
        found &= Q(pk__gte=_first_id(after), ts__gte=after)
    if before:
        found &= Q(pk__lt=_first_id(before + timedelta(milliseconds=1)), ts__lt=before)
    return found


def matching(rows: QuerySet[Entry], text: str) -> QuerySet[Entry]:
    """Those of the newest `READ` rows whose reason holds this text, in any case of its letters."""
    wanted = text.casefold()
    read = rows.select_related("private").only("private__payload").order_by("-id")[:READ]
    found: list[UUID] = []
    for entry in read.iterator(chunk_size=2_000):
        if wanted in str((private_part(entry) or {}).get("reason", "")).casefold():
            found.append(entry.pk)
            if len(found) == MATCHED:
                break
    return rows.filter(pk__in=found)


def by(name: str) -> Q:
    """What a person by this name did, themselves or by their tokens; or an actor by its id; or the brain itself."""
    people = list(User.objects.filter(username=name).values_list("pk", flat=True)[:MEANT])
    tokens = Token.objects.filter(Q(user__in=people) | Q(name=name)).values_list("pk", flat=True)[:MEANT]
    return Q(actor_id__in=[name, *map(str, people), *map(str, tokens)]) | Q(actor_type=name)


def _on(text: str) -> Q:
    kind, colon, identifier = text.partition(":")
    if not colon:
        kind, colon, identifier = text.partition("/")
    if colon:
        return Q(target_type=kind, target_id=identifier)
    return Q(target_type=kind) | Q(target_id=kind)


def _called(text: str) -> Q:
    """`task.retry`, or all of `task.`, or `retry` of anything."""
    if text.endswith("."):
        return Q(action__startswith=text)
    return Q(action=text) if "." in text else Q(action__endswith=f".{text}")


_CONDITIONS: dict[str, Callable[[str], Q]] = {
    "who": by,
    "verb": _called,
    "target": _on,
    "outcome": lambda value: Q(outcome=value),
}


def _typed(text: str) -> tuple[dict[str, str], str]:
    """The qualifiers that stand in a text, and the rest of it."""
    found = {key: quoted or plain for key, quoted, plain in _QUALIFIER.findall(text)}
    return found, " ".join(_QUALIFIER.sub(" ", text).split())


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _first_id(moment: datetime) -> UUID:
    """The smallest id that an entry of this moment can have."""
    return UUID(int=max(int(moment.timestamp() * 1000), 0) << 80)
