"""Numbers agree: whoever tells them of the same stretch of time, and however it was put together."""

from __future__ import annotations

import itertools
import random
import re
import uuid
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import parse_qsl

import pytest
from django.utils import timezone
from django.utils.http import urlencode

from tests import wire as sent
from z4j_brain.stats.spans import RANGES
from z4j_brain.stats.states import ENDS, FAILURES
from z4j_brain.tasks.ingest import ingest
from z4j_brain.tasks.models import Task

HERE = "/harbor/production/"
API = "/api/v1/harbor/production/stats/"
#: Custom bounds as minutes before now, rounded to whole minutes by whoever asks.
CUSTOM = [(300, 200), (2000, 17), (9 * 1440, 60)]


@pytest.fixture
def history(cast):
    """Tasks of the last ten days, most of them of today, told out of order by two agents."""
    chance, now = random.Random(7), sent.now()
    events = {boot: [] for boot in (uuid.uuid4(), uuid.uuid4())}
    for number in range(200):
        boot = chance.choice(list(events))
        ago = int(chance.expovariate(1 / 60_000)) % (10 * 86_400) * 1_000_000
        base = {"engine": chance.choice(["celery", "rq"]), "task_id": f"t{number}", "queue": chance.choice("ab")}
        base |= {"name": chance.choice(["shop.pay", "shop.send", "shop.count"]), "attempt": chance.choice([0, 0, 2])}
        run, took = now - ago + 50_000, chance.randrange(100, 900_000)
        end = chance.choice([*ENDS, *["succeeded"] * 12, None])
        story = [("enqueued", now - ago, {}), ("started", run, {"run": run})]
        story += [(end, min(run + took, now), {"run": run, "runtime_ms": took / 1000})] if end else []
        events[boot] += [(f"task.{kind}", ts, base | more) for kind, ts, more in story]
    for boot, told in events.items():
        chance.shuffle(told)
        batch = [sent.event(seq, kind, **{"ts": ts} | more) for seq, (kind, ts, more) in enumerate(told, 1)]
        for start in range(0, len(batch), 200):
            ingest(cast.agent_key(), sent.parsed(*batch[start : start + 200], boot=boot))


@pytest.fixture
def get(cast, client, history):
    client.force_login(cast.user("vera"), backend="django.contrib.auth.backends.ModelBackend")

    def get(path, **query):
        answer = client.get(f"{path}?{urlencode(query)}")
        assert answer.status_code == 200, answer.content
        return answer

    return get


def counted(start, end, **wanted):
    """One task after another."""
    counts = dict.fromkeys(("arrived", *ENDS), 0)
    for task in Task.objects.filter(**wanted):
        counts["arrived"] += start <= task.first_at < end
        if task.state in ENDS and task.finished_at and start <= task.finished_at < end:
            counts[task.state] += 1
    return counts


def told(totals):
    return {"arrived": totals["arrived"]} | totals["states"]


def summed(parts):
    several = list(parts)
    return {key: sum(part[key] for part in several) for key in ("arrived", *ENDS)}


def asked(name):
    """What a range, or bounds of one's own, are to the API and to the pages."""
    if name in RANGES:
        return {"range": name}, {"since": name}
    start, end = (timezone.now().replace(second=0) - timedelta(minutes=minutes) for minutes in name)
    bounds = [f"{moment:%Y-%m-%dT%H:%MZ}" for moment in (start, end)]
    return dict(zip(("start", "end"), bounds, strict=True)), dict(zip(("after", "before"), bounds, strict=True))


TIMES = ["1h", "24h", "7d", "90d", *CUSTOM]
ABOUT = [{}, {"queue": "b", "engine": "rq"}]


@pytest.mark.parametrize("about", ABOUT, ids=str)
def test_totals_points_and_queues_of_the_api_agree_with_plain_counting(get, about):
    for name in TIMES:
        agrees_by_queue(get, name, about)


def agrees_by_queue(get, name, about):
    answer = get(API, **asked(name)[0], **about, by="queue").json()

    plain = counted(*(datetime.fromisoformat(answer[at]) for at in ("start", "end")), **about)
    assert told(answer["total"]) == plain
    assert summed(told(point["totals"]) for point in answer["points"]) == plain
    assert summed(told(row["totals"]) for row in answer["table"]["rows"]) == plain
    assert answer["total"]["ended"] == sum(plain[state] for state in ENDS)
    assert answer["total"]["failed"] == sum(plain[state] for state in FAILURES)


def test_task_names_of_the_api_agree_with_plain_counting(get):
    for name, about in itertools.product(TIMES, [{}, {"name": "shop.pay", "engine": "rq"}]):
        agrees_by_name(get, name, about)


def agrees_by_name(get, name, about):
    table = get(API, **asked(name)[0], **about, by="name").json()["table"]

    plain = counted(*(datetime.fromisoformat(table[at]) for at in ("start", "end")), **about)
    assert summed(told(row["totals"]) for row in table["rows"]) == plain


def test_from_a_day_on_task_names_add_up_to_the_total(get):
    for name in ("24h", "7d", "30d", "90d", CUSTOM[1]):
        answer = get(API, **asked(name)[0], by="name").json()
        assert summed(told(row["totals"]) for row in answer["table"]["rows"]) == told(answer["total"])


def drawn(page):
    """What the bars of a page add up to: succeeded, other ends, failed."""
    figures = re.search(r'data-words="succeeded,other,failed" data-figures="([^"]*)"', page)[1]
    return [sum(map(int, column)) for column in zip(*(bar.split(",") for bar in figures.split()), strict=True)]


def said(page):
    """What the first sentence of a page says: ended, failed."""
    sentence = re.search(r'class="verdict">([^<]*)', page)[1]
    ended = int(re.search(r"([\d,]+) tasks? that ended", sentence)[1].replace(",", ""))
    failed = re.search(r": ([\d,]+) of the", sentence)
    return ended, int(failed[1].replace(",", "")) if failed else 0


def test_overview_and_statistics_say_what_the_api_says(get):
    for name in ("24h", "30d", CUSTOM[2]):
        query, page = asked(name)
        total = get(API, **query).json()["total"]
        expected = [total["states"]["succeeded"], 0, total["failed"]]
        expected[1] = total["ended"] - sum(expected)
        for path in (HERE, f"{HERE}statistics/"):
            shown = get(path, **page).content.decode()
            assert drawn(shown) == expected
            assert said(shown) == (total["ended"], total["failed"])


def listed(page):
    """How many tasks the list says it is about."""
    return int(re.search(r'id="tasks-count"[^>]*>([\d,]+)', page)[1].replace(",", ""))


def test_the_failures_of_the_overview_lead_to_the_very_tasks_they_count(get):
    for name in ("24h", "7d", "30d", CUSTOM[1]):
        query, page = asked(name)
        shown = get(HERE, **page).content.decode()
        strip = shown.partition('class="metrics')[2].partition("</dl>")[0]
        links = re.findall(rf'<a href="({HERE}tasks/[^"]*)">([\d,]+) \w[\w ]*</a>', strip)
        assert sum(int(number) for _, number in links) == get(API, **query).json()["total"]["failed"] > 0
        assert all(("since=" in address) is (name in ("24h", "7d")) for address, _ in links)
        for address, number in links:
            path, _, wanted = unescape(address).partition("?")
            assert listed(get(path, **dict(parse_qsl(wanted))).content.decode()) == int(number), address


@pytest.mark.parametrize("about", [{"queue": "a"}, {"name": "shop.send"}], ids=str)
def test_a_number_leads_to_the_very_tasks_it_counts(get, about):
    page = get(f"{HERE}statistics/", since="7d", table="", **about).content.decode()

    links = re.findall(rf'<a href="({HERE}tasks/[^"]*)">([\d,]+)(?: \w[\w ]*)?</a>', page)
    for address, number in random.Random(1).sample(links, 12):
        path, _, query = unescape(address).partition("?")
        shown = get(path, **dict(part.split("=", 1) for part in query.replace("%3A", ":").split("&"))).content.decode()
        assert listed(shown) == int(number.replace(",", "")), address


def test_the_chips_of_the_list_say_what_the_api_says(get):
    for name in ("15m", "1h", "6h", "24h", "7d"):
        ends = get(API, range=name).json()["total"]["states"]
        chips = get(f"{HERE}tasks/", since=name).content.decode()
        found = dict(re.findall(r'id="chip-(\w+)".*?class="n">([\d,]+)<', chips))
        assert {state: int(found.get(state, "0").replace(",", "")) for state in ends} == ends
