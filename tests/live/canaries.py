"""Two hundred secrets for each engine, of every kind and for every place that a task has; and how they are looked for.

A secret is drawn from a seed and its place, so that whoever knows the seed has the same ones: the shop that hides them
and the test that looks. The standard library alone: shops run in their engines' environments.
"""

from __future__ import annotations

import base64
import json
import re
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

NUMBER = 200
#: So many characters of a secret in a row are a leak; of digits alone more, which come in every moment's number.
PART, PART_OF_DIGITS = 8, 12
#: What is looked up while a text is stepped through: a part has one of these at every fourth of its characters.
GRAM, STEP = 5, 4
#: What fills the pages of a database.
NOTHING = re.compile("\0{9,}")
#: Engines that pickle what a task is given; the others write JSON.
PICKLE = frozenset({"arq", "huey", "rq"})
HEADERS = frozenset({"celery", "dramatiq", "rq", "taskiq"})
PROGRESS = frozenset({"celery", "rq", "taskiq"})


@dataclass(frozen=True)
class Canary:
    """`cores`: what of it is secret, whatever stands around it."""

    engine: str
    place: str
    value: Any
    cores: tuple[str, ...]
    harmless: bool = False

    @property
    def name(self) -> str:
        return f"{self.engine}/{self.place}"


@dataclass
class Order:
    """As tasks of engines that pickle are given."""

    memo: str
    card_number: str
    payer: dict[str, Any] = field(default_factory=dict)


@dataclass
class Call:
    """All that is said and done in one task."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)


def letters(lot: Random, number: int = 14) -> str:
    return "".join(lot.choices(string.ascii_lowercase, k=number))


def signs(lot: Random, number: int) -> str:
    return "".join(lot.choices(string.ascii_letters + string.digits, k=number))


def _word(lot: Random) -> tuple[Any, ...]:
    word = letters(lot)
    return word, word


def _number(lot: Random) -> tuple[Any, ...]:
    number = lot.randrange(10**15, 10**16) * 10 + 1
    return number, str(number)


def _token(lot: Random) -> tuple[Any, ...]:
    start, size = lot.choice([("ghp_", 36), ("sk_live_", 24), ("npm_", 36), ("glpat-", 20), ("AIza", 35), ("hf_", 34)])
    core = signs(lot, size)
    return start + core, core


def _digits(lot: Random) -> str:
    digits = [4, *(lot.randrange(10) for _ in range(14))]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[::2])
    return "".join(map(str, [*digits, -(doubled + sum(digits[1::2])) % 10]))


def _card(lot: Random) -> tuple[Any, ...]:
    digits = _digits(lot)
    return digits, digits


def _card_number(lot: Random) -> tuple[Any, ...]:
    digits = _digits(lot)
    return int(digits), digits


def _spaced_card(lot: Random) -> tuple[Any, ...]:
    digits = _digits(lot)
    spaced = " ".join(digits[at : at + 4] for at in range(0, 16, 4))
    return f"paid by {spaced} today", spaced, digits


def _iban(lot: Random) -> tuple[Any, ...]:
    account = "".join(lot.choices(string.digits, k=18))
    check = 98 - int(account + "131400") % 97
    return f"DE{check:02}{account}", account


def _jwt(lot: Random) -> tuple[Any, ...]:
    payload = base64.urlsafe_b64encode(json.dumps({"sub": signs(lot, 20)}).encode()).decode().rstrip("=")
    seal = signs(lot, 43)
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.{seal}", payload[12:], seal


def _pem(lot: Random) -> tuple[Any, ...]:
    lines = [signs(lot, 48) for _ in range(3)]
    return "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"]), *lines


def _url(lot: Random) -> tuple[Any, ...]:
    word = letters(lot)
    kinds = (
        "postgres://shop:{}@db.internal/orders",
        "redis://:{}@cache:6379/0",
        "https://shop:{}@files.internal/a.csv",
    )
    return lot.choice(kinds).format(word), word


def _query(lot: Random) -> tuple[Any, ...]:
    word = signs(lot, 24)
    return f"https://files.internal/a.csv?part=2&access_token={word}&page=3", word


def _email(lot: Random) -> tuple[Any, ...]:
    name = letters(lot)
    return f"{name}@example.org", name


def _said(lot: Random) -> tuple[Any, ...]:
    word = letters(lot)
    kinds = ("could not sign in with password={} at noon", "mysql --password {} -h db", 'login {{"db_password": "{}"}}')
    return lot.choice(kinds).format(word), word


def _bearer(lot: Random) -> tuple[Any, ...]:
    word = signs(lot, 32)
    return f"Bearer {word}", word


def _bytes(lot: Random) -> tuple[Any, ...]:
    word = signs(lot, 20)
    return b"\xff\x00" + word.encode() + b"\xfe", word


#: Secrets by what they look like, wherever they stand.
LOOKS = (_token, _card, _card_number, _spaced_card, _iban, _jwt, _pem, _url, _query, _email, _said)


class Sack:
    """All canaries of an engine, and its calls with the canaries in them. `laid`: where each of them is."""

    def __init__(self, seed: str, engine: str) -> None:
        self.seed, self.engine = seed, engine
        self.laid: list[Canary] = []
        self.calls = {name: self._call(name) for name in ("now1", "now2", "later1", "later2", "unknown1", "unknown2")}
        self.calls |= {name: self._refused(name) for name in ("refused1", "refused2")}
        crowd = [self._look(f"later2/crowd/{number}") for number in range(NUMBER - len(self.secrets))]
        self.calls["later2"].kwargs["crowd"] = crowd

    @property
    def secrets(self) -> list[Canary]:
        return [canary for canary in self.laid if not canary.harmless]

    @property
    def harmless(self) -> list[Canary]:
        return [canary for canary in self.laid if canary.harmless]

    def call_of(self, user: str) -> Call:
        """The call that was given this first argument."""
        return self.calls[user.split("-")[1]]

    def _hide(self, make: Callable[[Random], tuple[Any, ...]], place: str) -> Any:
        value, *cores = make(Random(f"{self.seed}/{self.engine}/{place}"))
        self.laid.append(Canary(self.engine, place, value, tuple(cores)))
        return value

    def _look(self, place: str) -> Any:
        return self._hide(LOOKS[len(self.laid) % len(LOOKS)], place)

    def _mark(self, place: str, start: str) -> str:
        """A harmless one, which context is."""
        word = letters(Random(f"{self.seed}/{self.engine}/{place}"))
        self.laid.append(Canary(self.engine, place, word, (word,), harmless=True))
        return f"{start}-{word}"

    def _call(self, name: str) -> Call:
        at = f"{name}/args"
        args = self._mark(f"{at}/user", f"guest-{name}"), self._hide(_word, f"{at}/password"), self._look(f"{at}/note")
        call = Call(args, self._keywords(f"{name}/kwargs"))
        if self.engine in HEADERS:
            call.headers = {
                "x-auth-token": self._hide(_word, f"{name}/headers/x-auth-token"),
                "authorization": self._hide(_bearer, f"{name}/headers/authorization"),
                "x-link": self._hide(_url, f"{name}/headers/x-link"),
            }
        if not name.startswith("unknown"):
            call.result = self._result(f"{name}/result")
            if self.engine in PROGRESS:
                call.progress = {"at": 3, "session_token": self._hide(_word, f"{name}/progress/session_token")}
                call.progress["said"] = self._look(f"{name}/progress/said")
        return call

    def _keywords(self, at: str) -> dict[str, Any]:
        deep: Any = self._look(f"{at}/deep")
        for _ in range(5):
            deep = [deep]
        found = {
            "order": self._mark(f"{at}/order", "order"),
            "api_key": self._hide(_word, f"{at}/api_key"),
            "otp": self._hide(_number, f"{at}/otp"),
            "login": {"user": "shop", "db_password": self._hide(_word, f"{at}/login/db_password")},
            "fields": [{"name": "otp", "value": self._hide(_word, f"{at}/fields/otp")}],
            "headers": {"Authorization": self._hide(_bearer, f"{at}/headers"), "Accept": "*/*"},
            "deep": deep,
            "pair": ["client_secret", self._hide(_word, f"{at}/pair")],
            "memo": self._look(f"{at}/memo"),
            "about": {"link": self._look(f"{at}/about/link"), "mark": self._mark(f"{at}/about/mark", "shelf")},
        }
        if self.engine in PICKLE:
            payer = {"iban": self._hide(_iban, f"{at}/object/iban"), "blob": self._hide(_bytes, f"{at}/object/blob")}
            found["object"] = Order(self._look(f"{at}/object/memo"), self._hide(_card, f"{at}/object/card"), payer)
        return found

    def _result(self, at: str) -> dict[str, Any]:
        return {
            "kept": self._mark(f"{at}/kept", "shelf"),
            "access_token": self._hide(_word, f"{at}/access_token"),
            "rows": [self._look(f"{at}/rows/1"), [("session_id", self._hide(_word, f"{at}/rows/2"))]],
            "link": self._hide(_url, f"{at}/link"),
        }

    def _refused(self, name: str) -> Call:
        args = (self._mark(f"{name}/args/order", f"order-{name}"), self._hide(_card, f"{name}/args/card_number"))
        return Call(args, told=[self._told(f"{name}/attempt{number}") for number in (1, 2)])

    def _told(self, at: str) -> dict[str, Any]:
        return {
            "password": self._hide(_word, f"{at}/context"),
            "cause": self._look(f"{at}/cause"),
            "mark": self._mark(f"{at}/mark", "shelf"),
            "said": self._hide(_said, f"{at}/said"),
            "url": self._hide(_url, f"{at}/url"),
            "pin": self._hide(_number, f"{at}/pin"),
            "bytes": self._hide(_bytes, f"{at}/bytes"),
        }


class Finder:
    """Finds parts of canaries in texts: as they are, and as base64 makes of them wherever they begin."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._grams: dict[str, list[tuple[str, int, int, Canary]]] = {}
        for canary in canaries:
            for form, least in _forms(canary):
                for at in range(len(form) - GRAM + 1):
                    self._grams.setdefault(form[at : at + GRAM], []).append((form, at, least, canary))

    def found(self, text: str) -> dict[str, str]:
        """By engine and place, the part that was found."""
        grams, text = self._grams, NOTHING.sub("\0", text)
        spots = [at for at in range(0, len(text) - GRAM + 1, STEP) if text[at : at + GRAM] in grams]
        leaks: dict[str, str] = {}
        for spot in spots:
            for form, at, least, canary in grams[text[spot : spot + GRAM]]:
                if len(part := _shared(text, spot, form, at)) >= least:
                    leaks[canary.name] = max(part, leaks.get(canary.name, ""), key=len)
        return leaks


def _shared(text: str, spot: int, form: str, at: int) -> str:
    """What is the same in both around a place that is."""
    start, end = 0, GRAM
    while start < min(spot, at) and text[spot - start - 1] == form[at - start - 1]:
        start += 1
    while at + end < len(form) and spot + end < len(text) and text[spot + end] == form[at + end]:
        end += 1
    return form[at - start : at + end]


def _forms(canary: Canary) -> Iterator[tuple[str, int]]:
    """What a canary may look like, and how much of that is a leak."""
    for core in canary.cores:
        least = PART if core.strip(string.digits + " ") else PART_OF_DIGITS
        yield core, least
        for before in range(3):
            coded = base64.b64encode(b"\0" * before + core.encode()).decode().rstrip("=")
            yield coded[before + (before > 0) : -2], least * 4 // 3


def refuse(call: Call, attempt: int) -> None:
    """Fail as the shop does, with a canary in each part of the error."""
    told = call.told[min(attempt, 1)]
    try:
        try:
            raise KeyError("password", told["password"])
        except KeyError:
            raise LookupError(f"nobody knows {told['mark']} or {told['cause']}")  # noqa: B904 - context, not cause
    except LookupError as error:
        details = {"pin": told["pin"], "mark": told["mark"]}
        raise ConnectionError(f"{told['said']} for {told['mark']}", told["url"], details, told["bytes"]) from error
