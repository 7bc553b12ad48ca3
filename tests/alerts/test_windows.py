"""While somebody is at work, what rules find is kept and nobody is told; what still goes on afterwards is told then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tests.alerts.test_doors import PAGES, as_, ask
from tests.alerts.troubles import is_long
from z4j_brain.alerts import actions, windows
from z4j_brain.alerts.models import Alert, Rule, Window
from z4j_brain.rbac.actor import SYSTEM

__all__ = ["as_", "ask"]


def types(messages):
    return [message["type"] for message in messages]


@pytest.fixture
def at_work(cast):
    """Somebody is, from a minute ago on and for an hour."""

    def at_work(**more):
        now = timezone.now()
        asked = {"name": "work", "starts_at": now - timedelta(minutes=1), "ends_at": now + timedelta(hours=1)}
        return actions.add_window(cast.production, asked | more, actor=SYSTEM)

    return at_work


def is_over(window):
    Window.objects.filter(pk=window.pk).update(ends_at=timezone.now())


def test_what_begins_meanwhile_is_kept_and_told_at_the_end_if_it_still_goes_on(cast, rule, told, at_work):
    rule("queue_depth", {"depth": 100})
    window = at_work()
    is_long(cast)
    assert told() == []
    assert (Alert.objects.get().held, Alert.objects.get().ended_at) == (True, None)

    is_over(window)
    (message,) = told()
    assert (message["type"], message["data"]["started_at"]) == (
        "alert.fired",
        Alert.objects.get().started_at.isoformat(),
    )
    assert told() == []
    is_long(cast)()
    assert types(told()) == ["alert.resolved"]


def test_what_begins_and_ends_meanwhile_is_told_to_nobody_and_stays_in_the_list(cast, rule, told, at_work):
    rule("queue_depth", {"depth": 100}, cooldown_minutes=30)
    window = at_work()
    over = is_long(cast)
    assert told() == []
    over()
    is_over(window)
    assert told() == []
    assert Alert.objects.get().held

    is_long(cast)
    assert types(told()) == ["alert.fired"]  # nobody was told of it lately


def test_the_end_of_what_was_told_before_is_told_at_once(cast, rule, told, at_work):
    rule("queue_depth", {"depth": 100})
    over = is_long(cast)
    assert types(told()) == ["alert.fired"]
    at_work()
    over()
    assert types(told()) == ["alert.resolved"]


def test_it_is_about_the_rules_that_were_chosen_also_when_they_are_gone(cast, rule, told, at_work):
    chosen, other = rule("queue_depth", {"depth": 100}), rule("queue_depth", {"depth": 200}, name="other")
    at_work(all_rules=False, rules=[chosen.pk])
    is_long(cast)
    assert [message["data"]["rule"]["name"] for message in told()] == ["other"]
    actions.delete_rule(Rule.objects.get(pk=chosen.pk), actor=SYSTEM)
    is_long(cast)()
    assert types(told()) == ["alert.resolved"]
    is_long(cast)
    assert types(told()) == ["alert.fired"]
    assert other.pk == Rule.objects.get().pk


def test_a_rule_that_is_muted_besides_tells_nothing_at_the_end(cast, rule, told, at_work):
    made = rule("queue_depth", {"depth": 100})
    window = at_work()
    is_long(cast)
    told()
    actions.mute_rule(made, timezone.now() + timedelta(hours=1), actor=SYSTEM)
    is_over(window)
    assert told() == []
    actions.mute_rule(made, None, actor=SYSTEM)
    assert types(told()) == ["alert.fired"]


def test_one_of_another_environment_keeps_nothing_back(cast, rule, told):
    now = timezone.now()
    asked = {"name": "work", "starts_at": now - timedelta(minutes=1), "ends_at": now + timedelta(hours=1)}
    for place in (cast.staging, cast.island):
        actions.add_window(place, asked, actor=SYSTEM)
    rule("queue_depth", {"depth": 100})
    is_long(cast)
    assert types(told()) == ["alert.fired"]


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-03-22 00:59", None),
        ("2026-03-22 01:00", "2026-03-22 02:00"),
        ("2026-03-22 01:59", "2026-03-22 02:00"),
        ("2026-03-22 02:00", None),
        ("2026-03-29 01:30", "2026-03-29 02:00"),  # 2:00 is not there that day: it begins when clocks go to 3:00
        ("2026-04-05 00:30", "2026-04-05 01:00"),
    ],
)
def test_again_and_again_it_follows_the_clocks_of_its_zone(moment, until):
    window = Window(cron="0 2 * * SUN", zone="Europe/Berlin", minutes=60)

    def at(text):
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None

    assert windows.until(window, at(moment)) == at(until)


def test_one_that_begins_again_before_its_end_ends_with_the_last(db):
    window = Window(cron="*/10 * * * *", zone="UTC", minutes=15)
    now = datetime(2026, 11, 27, 12, 12, tzinfo=UTC)
    assert windows.until(window, now) == datetime(2026, 11, 27, 12, 25, tzinfo=UTC)
    assert windows.begins_next(window, now) == datetime(2026, 11, 27, 12, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "starts_at"),
        ({"starts_at": "2026-01-01T00:00Z", "ends_at": "2026-01-02T00:00Z"}, "ends_at"),
        ({"starts_at": "2126-01-02T00:00Z", "ends_at": "2126-01-01T00:00Z"}, "ends_at"),
        ({"starts_at": "2126-01-02T00:00Z", "ends_at": "2126-05-01T00:00Z"}, "ends_at"),
        ({"cron": "0 2 * *", "minutes": 60}, "cron"),
        ({"cron": "0 2 * * *"}, "minutes"),
        ({"cron": "0 2 * * *", "minutes": 60, "starts_at": "2126-01-02T00:00Z"}, "cron"),
        ({"cron": "0 2 * * *", "minutes": 60, "zone": "Europe/Nowhere"}, "zone"),
        ({"cron": "0 2 * * *", "minutes": 60, "all_rules": False}, "rules"),
        ({"cron": "0 2 * * *", "minutes": 60, "rules": [999]}, "rules"),
    ],
)
def test_what_is_wrong_with_one_is_told_where_it_stands(ask, cast, asked, field):
    answer = ask("POST", "windows/", {"name": "x"} | asked)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, f"#/{field}")
    assert not Window.objects.exists()


def test_over_the_api_one_is_planned_changed_and_removed(ask, cast, rule):
    made = rule("queue_depth", {"depth": 100})
    asked = {"name": "weekly", "cron": "0 2 * * SUN", "zone": "Europe/Berlin", "minutes": 60}
    window = ask("POST", "windows/", asked).json()
    assert (window["until"], window["all_rules"], window["begins_next"] is None) == (None, True, False)
    changed = ask("PATCH", f"windows/{window['id']}/", {"cron": "* * * * *", "all_rules": False, "rules": [made.pk]})
    assert (changed.json()["rules"], changed.json()["until"] is None) == ([made.pk], False)
    assert ask("GET", "windows/", who="vera").json()["results"][0]["name"] == "weekly"
    assert ask("DELETE", f"windows/{window['id']}/", who="oscar").status_code == 403
    assert ask("DELETE", f"windows/{window['id']}/").status_code == 204
    assert not Window.objects.exists()


def test_on_its_pages_one_is_planned_and_the_page_of_alerts_says_that_it_goes_on(cast, as_, rule, told):
    made = rule("queue_depth", {"depth": 100})
    client = as_("adam")
    form = {"name": "Migration", "when": "cron", "cron": "* * * * *", "minutes": "60", "zone": "UTC", "all_rules": "0"}
    new = f"{PAGES}maintenance/new/"
    wrong = client.post(new, form | {"minutes": "many"})
    assert (wrong.status_code, "From 1 to 1,440" in wrong.content.decode()) == (400, True)
    assert client.post(new, form | {"rules": str(made.pk)}).status_code == 302
    is_long(cast)
    assert told() == []
    shown = client.get(PAGES).content.decode()
    for said in ("Migration goes on, over", "maintenance, over", "not told yet", "500 tasks wait in mail."):
        assert said in shown
    assert "nobody was told: maintenance" in client.get(f"{PAGES}history/").content.decode()

    window = Window.objects.get()
    at = f"{PAGES}maintenance/{window.pk}/"
    once = {"when": "once", "zone": "Europe/Berlin", "starts_at": "2126-07-01T10:00", "ends_at": "2126-07-01T12:00"}
    assert client.post(at, form | once | {"all_rules": "1"}).status_code == 302
    window = Window.objects.get()
    assert (window.cron, window.starts_at, window.all_rules) == ("", datetime(2126, 7, 1, 8, tzinfo=UTC), True)
    assert 'value="2126-07-01T12:00"' in client.get(at).content.decode()
    assert types(told()) == ["alert.fired"]
    client.post(f"{at}remove/")
    assert not Window.objects.exists()
