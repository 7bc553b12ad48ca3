"""All that a brain tells whom it tells most: every page that links lead to, every answer of its API, every file."""

from __future__ import annotations

import html
import http.cookiejar
import io
import json
import re
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from tests.brain import Brain
from tests.live.canaries_shop import rows, text

HERE = "/harbor/production/"
API = f"/api/v1{HERE}"
#: Of pages that differ by their row alone so many are looked at, and so many with filters; and of tasks.
ALIKE, MANY, MOST_TASKS = 2, 4, 30
LINK = re.compile(r"""(?:href|hx-get|data-href|action)=["']([^"'#]+)""")
#: Pages on which a person leaves, and the program itself.
NO_PAGES = {"account_logout", "source"}


class Visitor:
    """Somebody with a browser's cookies who has signed in."""

    def __init__(self, brain: Brain, who: str) -> None:
        self.brain = brain
        self.jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        token = self.get("/sign-in/")[1].split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        form = {"login": who, "password": str(brain.cast["password"]), "csrfmiddlewaretoken": token}
        self.post("/sign-in/", form)
        assert self.get("/account/")[0] == 200

    @property
    def cookie(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)

    def get(self, path: str) -> tuple[int, str]:
        return self._open(urllib.request.Request(self.brain.url + path))

    def post(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        form = {"csrfmiddlewaretoken": next((c.value or "" for c in self.jar if "csrf" in c.name), "")} | form
        data = urllib.parse.urlencode(form).encode()
        return self._open(urllib.request.Request(self.brain.url + path, data, {"Referer": self.brain.url + path}))

    def shown(self, task: dict[str, Any]) -> str:
        """The page of a task whose values were asked for."""
        self.post(f"{HERE}tasks/{task['id']}/show/", {"reason": "to see what it was given"})
        return self.get(f"{HERE}tasks/{task['id']}/")[1]

    def _open(self, request: urllib.request.Request) -> tuple[int, str]:
        """The status and all of the answer: also its headers, and what is packed in a file."""
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, f"{answer.url}\n{answer.headers}\n" + _unzipped(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, f"{error.headers}\n" + error.read().decode("latin-1")


def _unzipped(body: bytes) -> str:
    found = body.decode("latin-1")
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as file:
            found += "".join(file.read(name).decode("latin-1") for name in file.namelist())
    return found


def pages(visitor: Visitor, tasks: Iterable[dict[str, Any]]) -> dict[str, str]:
    """What each page says, by its path: of all that links lead to from the environment's own and from the person's,
    some of each kind and some with filters; of tasks one for each engine and state.
    """
    seen: dict[str, str] = {}
    alike: Counter[Any] = Counter()
    waiting = [path for path in book(HERE) if "<" not in path]
    waiting += [f"{HERE}tasks/{one}/" for one in distinct(tasks)]
    waiting += [f"{HERE}tasks/?since=all", f"{HERE}tasks/export/?format=jsonl"]
    while waiting:
        path = waiting.pop(0)
        name, filters = kind(path, HERE)
        most = 1 if filters else MOST_TASKS if name == "task" else ALIKE
        if path in seen or not name or alike[name, filters] >= most or alike[name] >= MANY:
            continue
        alike.update([(name, filters), *([name] if filters else [])])
        status, told = visitor.get(path)
        assert status < 500, (path, status)
        seen[path] = told
        if "text/html" in told[:2000]:
            waiting += [urllib.parse.urljoin(path, html.unescape(link)) for link in LINK.findall(told)]
    return seen


def book(here: str) -> Iterator[str]:
    """Every address of the address book, for a place; what rows have to fill in is left open."""
    for path in _walked(get_resolver().url_patterns, "/"):
        yield path.replace("<slug:project>/<slug:environment>", here.strip("/"))


def _walked(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for one in patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _walked(one.url_patterns, path)
        else:
            yield path


def kind(path: str, here: str) -> tuple[str, frozenset[str]]:
    """Which page it is, and what it is filtered by. Empty: none that is looked at."""
    parts = urllib.parse.urlsplit(path)
    inside = parts.path.startswith((here, "/audit/", "/account/")) or parts.path == "/"
    if parts.netloc or not inside:
        return "", frozenset()
    try:
        found = resolve(parts.path)
    except Resolver404:
        return "", frozenset()
    more = [f"{found.kwargs[word]}" for word in ("action", "verb") if word in found.kwargs]
    name = " ".join([found.url_name or parts.path, *more])
    return "" if name in NO_PAGES else name, frozenset(urllib.parse.parse_qs(parts.query))


def answers(brain: Brain) -> str:
    """Every answer of the API about this environment: each list whole, and of each kind of row what hangs on it."""
    known = {path for path in book(HERE) if path.startswith(API)}
    texts = []
    for address in sorted(path for path in known if "<" not in path):
        parts = [path for path in known if path.startswith(f"{address}<")]
        for told in _listed(brain, address):
            texts.append(told)
            body = json.loads(told) if told.startswith("{") else {}
            for one in distinct(body.get("results", [])):
                answered = {part: ask(brain, re.sub("<.*?>", str(one), part)) for part in parts}
                texts += answered.values()
                parts = [part for part, told in answered.items() if '"method_not_allowed"' not in told]
    exports = (ask(brain, f"{API}tasks/export/?format={form}&payload=1") for form in ("csv", "jsonl"))
    return "\n".join([*texts, *exports])


def distinct(rows: Iterable[dict[str, Any]]) -> list[Any]:
    """The ids of rows of which no two are of one engine, name and state."""
    kinds = {tuple(row.get(word) for word in ("engine", "name", "state", "action")): row for row in rows}
    return [row["id"] for row in kinds.values() if "id" in row]


def _listed(brain: Brain, address: str) -> Iterator[str]:
    """All parts of a list."""
    following = address
    while following:
        yield (told := ask(brain, following))
        following = (json.loads(told).get("next") or "") if told.startswith("{") else ""
        following = following.removeprefix(brain.url)


def ask(brain: Brain, path: str) -> str:
    return brain.request("GET", path, who="olive")[2].decode()


def store(brain: Brain) -> str:
    """Every row of the brain's database."""
    if not brain.database_url:
        return rows(brain.data_dir / "z4j.sqlite3")
    with psycopg.connect(brain.database_url) as database:
        tables = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        found = (database.execute(f'SELECT * FROM "{table}"') for (table,) in tables)  # noqa: S608
        return "".join(repr(row) for cursor in found for row in cursor)


def files(brain: Brain, log: bool) -> str:
    """All files of the brain's but its log, or its log alone."""
    every = (path for path in brain.data_dir.rglob("*") if path.is_file())
    return text(path for path in every if (path.name == "brain.log") == log)
