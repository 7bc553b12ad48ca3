"""No value of a task is anywhere in the panel before somebody asks to see it, and then on its page alone, for them."""

from __future__ import annotations

import re
import time

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests import rows
from tests.panel.test_tenants import address, pages, parameters, text
from tests.rbac.places import Furnished
from z4j_brain.ledger.models import Entry
from z4j_brain.panel import masks
from z4j_brain.rbac import granting, onshow
from z4j_brain.rbac.actor import SYSTEM
from z4j_brain.rbac.models import Token
from z4j_brain.rbac.sessions import SessionStore
from z4j_brain.rbac.states import Effect, Permission
from z4j_brain.tasks.models import Task

pytestmark = pytest.mark.django_db

CANARY = "canary-5417"
#: Where values stand in a task, and in what agents told of it.
VALUES = {
    "args": f"('{CANARY}-args',)",
    "kwargs": f"{{'note': '{CANARY}-kwargs'}}",
    "result": f"'{CANARY}-result'",
    "error_message": f"no room for {CANARY}-message",
    "traceback": f'Traceback (most recent call last):\n  File "/srv/shop/pay.py", line 3, in pay\n    {CANARY}-code\n',
}


@pytest.fixture
def harbor(cast):
    """Production with a row of everything, and values only in the task."""
    return Furnished.of(cast.production, Token.objects.get(user=cast.user("vera")))


@pytest.fixture
def task(harbor):
    found = Task.objects.select_related("environment__project").get(pk=harbor.keys["api-task"])
    agent = harbor.environment.agents.first()
    now, error = timezone.now(), {"type": "KeyError", "message": VALUES["error_message"]}
    told = {name: VALUES[name] for name in ("args", "kwargs", "result")}
    rows.event(found, agent, "task.failed", now, worker="w", error=error, **told)
    rows.event(found, agent, "task.progress", now, progress={"note": f"{CANARY}-progress"})
    Task.objects.filter(pk=found.pk).update(**VALUES, error_type="KeyError", name="shop.pay")
    found.refresh_from_db()
    return found


@pytest.fixture
def as_(cast):
    return lambda who: cast.sign_in(Client(raise_request_exception=False), who)


@pytest.fixture
def page(task, harbor):
    return lambda name: address(name, harbor)


def ask(client, page, **given):
    return client.post(page("task-show"), given)


def get(client, path, **headers):
    return text(client.get(path, headers=headers))


def visible(page):
    """What of a page is read: its text, and what stands beside the pointer."""
    page = re.sub(r"<textarea.*?</textarea>", "", page, flags=re.DOTALL)
    attributes = re.findall(r'(?:title|aria-label|placeholder)="([^"]*)"', page)
    return "\n".join([re.sub(r"<[^>]*>", "\n", page), *attributes])


def test_no_page_tells_a_value_before_it_is_asked_for(as_, harbor, page):
    olive = as_("olive")
    for name in pages():
        queries = ("", "?since=all", f"?target={harbor.keys['api-task']}", "?format=jsonl&since=all")
        for query in queries if "environment" in parameters(name) else ("",):
            for headers in ({}, {"X-Live": "1"}, {"HX-Request": "true"}):
                assert CANARY not in get(olive, page(name) + query, **headers), (name, query, headers)


def test_a_hidden_value_says_what_kind_of_thing_it_is(as_, page):
    told = get(as_("vera"), page("task"))
    for kind in ("1 argument", "1 argument by name", "a result", "a message", "a traceback of 1 frame"):
        assert f"{kind}</span>" in told, kind
    assert "Ask to show, recorded" in told


def test_who_asks_sees_that_task_alone_and_nobody_else_does(as_, page, task, cast):
    other = rows.task(cast.production, args=f"('{CANARY}-other',)")
    vera = as_("vera")
    assert ask(vera, page)["Location"] == page("task")
    told = get(vera, page("task"))
    for part in ("args", "kwargs", "result", "message", "code"):
        assert f"{CANARY}-{part}" in told, part
    assert CANARY not in get(vera, reverse("task", args=["harbor", "production", other.pk]))
    for name in ("tasks", "overview", "operation", "audit"):
        assert CANARY not in get(vera, page(name)), name
    assert CANARY not in get(as_("olive"), page("task"))
    assert CANARY not in get(as_("vera"), page("task")), "another session of the same person"


def test_the_log_says_who_looked_at_which_task_and_why(as_, page, task, cast):
    ask(as_("vera"), page, reason="a customer calls")
    entry = Entry.objects.get(action="task.show")
    assert (entry.target_type, entry.target_id, entry.actor_id) == ("task", str(task.pk), str(cast.user("vera").pk))
    told = get(as_("olive"), page("task"))
    assert "task.show" in told
    assert "a customer calls" in told


def test_what_is_shown_is_hidden_by_a_click_and_after_a_while(as_, page):
    vera = as_("vera")
    ask(vera, page)
    assert CANARY in get(vera, page("task"))
    vera.post(page("task-hide"))
    assert CANARY not in get(vera, page("task"))
    ask(vera, page)
    assert CANARY in get(vera, page("task"))
    session = vera.session
    session["on_show"] = {one: int(time.time()) - 1 for one in session["on_show"]}  # a quarter of an hour later
    session.save()
    assert CANARY not in get(vera, page("task"))


@pytest.mark.parametrize("hides", ["presenter", "task-hide"])
def test_a_page_that_was_asked_for_before_does_not_put_back_what_was_hidden_meanwhile(as_, page, hides):
    vera = as_("vera")
    ask(vera, page)
    slow = SessionStore(vera.session.session_key)
    assert slow["on_show"]
    vera.post(page(hides), {"on": "1"})
    slow["seen"] = 1
    slow.save()

    assert vera.session.get("presenting", False) == (hides == "presenter")
    assert vera.session["seen"] == 1
    if hides == "presenter":
        vera.post(page(hides), {"on": "0"})
    assert CANARY not in get(vera, page("task"))


def test_two_requests_at_once_about_what_is_shown_both_count(as_, page, task):
    vera = as_("vera")
    ask(vera, page)
    slow = SessionStore(vera.session.session_key)
    onshow.show(slow, 7)
    vera.post(page("task-hide"))
    slow.save()
    assert list(vera.session["on_show"]) == ["7"]

    slow = SessionStore(vera.session.session_key)
    onshow.hide(slow, 7)
    ask(vera, page)
    slow.save()
    assert list(vera.session["on_show"]) == [str(task.pk)]


def test_where_reasons_are_asked_for_none_is_shown_without(as_, page, harbor):
    harbor.environment.reason_required = True
    harbor.environment.save()
    vera = as_("vera")
    answer = ask(vera, page)
    assert answer.status_code == 400
    assert "say why" in text(answer)
    assert CANARY not in get(vera, page("task"))
    assert not Entry.objects.filter(action="task.show", outcome="allowed").exists()
    ask(vera, page, reason="a customer calls")
    assert CANARY in get(vera, page("task"))


def test_without_the_permission_nothing_is_ever_shown(as_, page, cast):
    audrey = as_("audrey")
    assert ask(audrey, page).status_code == 403
    assert Entry.objects.get(action="task.show").outcome == "refused"
    told = get(audrey, page("task"))
    assert CANARY not in told
    assert "Ask to show" not in told
    assert "view_payload" in told


def test_a_permission_that_is_taken_back_hides_what_was_on_show(as_, page, cast):
    vera = as_("vera")
    ask(vera, page)
    granting.give(cast.production, cast.user("vera"), Permission.VIEW_PAYLOAD, effect=Effect.DENY, actor=SYSTEM)
    assert CANARY not in get(vera, page("task"))


def test_a_session_shows_the_last_few_tasks_that_were_asked_for(as_, page, cast):
    vera = as_("vera")
    ask(vera, page)
    for _ in range(onshow.MOST):
        vera.post(reverse("task-show", args=["harbor", "production", rows.task(cast.production, args="(1,)").pk]))
    assert len(vera.session["on_show"]) == onshow.MOST
    assert CANARY not in get(vera, page("task"))


@pytest.mark.parametrize(
    ("written", "label", "rule"),
    [
        ("{'password': '[redacted:password]'}", "password", "the rule password"),
        ("{'password': [redacted]}", "hidden", "a name that speaks of a secret"),
        ("('[card]',)", "card", "recognised as a card number"),
        ("('a [jwt] b',)", "jwt", "recognised as a signed token"),
        ("(str[12], int)", "str[12]", "told by its shape alone"),
        ("{'note': '[redacted:<img src=x>]'}", "&lt;img", ""),
    ],
)
def test_a_mark_says_which_rule_hid_it_and_that_nobody_can_show_it(as_, page, task, written, label, rule):
    Task.objects.filter(pk=task.pk).update(args=written, kwargs="<script>alert(1)</script>")
    vera = as_("vera")
    ask(vera, page)
    told = get(vera, page("task"))
    assert label in told
    assert "<script>alert" not in told
    assert "<img" not in told
    if rule:
        assert f'title="Hidden in the worker: {rule}. Nobody can show it."' in told
        assert "so nobody can show it" in told


def test_an_export_has_values_when_they_are_asked_for_and_the_log_says_so(as_, page):
    vera = as_("vera")
    assert CANARY not in get(vera, page("task-export"))
    assert CANARY in get(vera, page("task-export") + "?payload=1")
    assert as_("audrey").get(page("task-export") + "?payload=1").status_code == 403


@pytest.mark.parametrize("name", ["api-tasks", "api-task", "api-task-events"])
def test_the_api_tells_a_session_what_the_panel_shows_in_it(as_, page, harbor, name, client, cast):
    vera, path = as_("vera"), harbor.address(name)
    assert CANARY not in get(vera, path)
    assert CANARY in text(client.get(path, **cast.bearer("vera"))), "a token asks by its scope"
    ask(vera, page)
    assert CANARY in get(vera, path)
    vera.post(page("task-hide"))
    assert CANARY not in get(vera, path)


def test_presenter_mode_hides_what_was_on_show_and_nothing_can_be_shown_in_it(as_, page, harbor):
    vera = as_("vera")
    ask(vera, page)
    here = f"http://testserver{page('task')}"
    assert vera.post(reverse("presenter"), {"on": "1"}, headers={"Referer": here})["Location"] == here
    told = get(vera, page("task"))
    assert "Presenter mode is on." in told
    assert "nothing can be shown" in told
    ask(vera, page)
    for path in (page("task"), harbor.address("api-task"), page("task-export") + "?payload=1"):
        assert CANARY not in get(vera, path), path
    assert Entry.objects.filter(action="task.show").count() == 1, "of before"
    vera.post(reverse("presenter"), {"on": "0"})
    assert "Ask to show, recorded" in get(vera, page("task"))
    assert CANARY not in get(vera, page("task")), "what was on show before is asked for anew"


def test_others_who_look_on_read_no_names_of_people_and_hosts(as_, harbor, page, cast):
    rows.worker(cast.production, name="celery@box-7.example", host="box-7.example")
    rows.task(cast.production, worker="celery@box-7.example", name="shop.pay")
    rows.task(cast.production, worker="mail@gone.example", name="shop.pay")
    rows.operation(cast.production, [], actor_name="oscar")
    rows.entry(cast.production, "oscar", private={"ip": "10.1.2.3"})
    olive = as_("olive")
    assert "oscar" in get(olive, page("members"))
    olive.post(reverse("presenter"), {"on": "1"})
    secret = ("oscar", "olive", "box-7", "gone.example", "10.1.2.3")
    for name in (name for name in pages() if "environment" in parameters(name)):
        read = visible(get(olive, page(name) + ("?since=all" if name == "tasks" else "")))
        assert not [word for word in secret if word in read and not name.endswith("export")], name
    assert "person " in get(olive, page("members"))
    assert "shop.pay" in get(olive, page("tasks") + "?since=all")


def test_presenter_mode_leads_nowhere_else_and_takes_a_post(as_):
    vera = as_("vera")
    assert vera.get(reverse("presenter")).status_code == 405
    elsewhere = {"Referer": "https://evil.example/"}
    assert vera.post(reverse("presenter"), {"on": "1"}, headers=elsewhere)["Location"] == "/"
    assert Client(enforce_csrf_checks=True).post(reverse("presenter"), {"on": "1"}).status_code in (302, 403)


@pytest.mark.parametrize(
    ("page", "masked"),
    [
        ("<td>oscar</td>", "<td>person 1</td>"),
        ("<td>oscars oscar-2 (oscar)</td>", "<td>oscars oscar-2 (person 1)</td>"),
        ('<a href="/x/?who=oscar" title="by oscar">', '<a href="/x/?who=oscar" title="by person 1">'),
        ('<input name="who" value="oscar">', '<input name="who" value="oscar">'),
        ("<textarea>oscar</textarea>oscar", "<textarea>oscar</textarea>person 1"),
        ("a@b.example from 10.0.0.1", "an address from an address"),
        ("O&#x27;Hara &lt;oscar&gt;", "person 2 &lt;person 1&gt;"),
        ("Oscar, OSCAR and o&#x27;hara on web, not Web", "person 1, person 1 and person 2 on host 1, not Web"),
        ("2001:db8::5 [fe80::1%eth0]:80", "an address [an address]:80"),
        ("::1, 2001:DB8:0:0:1:2:3:4; ::ffff:10.0.0.1.", "an address, an address; an address."),
        ("from fe80::1: refused, peer:fe80::2", "from an address: refused, peer:an address"),
        (
            "12:30:45 at 2026-11-27T10:12:30.5 in A::Bad::C, a:b, ::",
            "12:30:45 at 2026-11-27T10:12:30.5 in A::Bad::C, a:b, ::",
        ),
        ('<input type="submit" value="Ask oscar">', '<input type="submit" value="Ask person 1">'),
        ('<button name="who" value="oscar">', '<button name="who" value="oscar">'),
    ],
)
def test_a_mask_is_on_what_is_read_and_on_nothing_else(page, masked):
    assert masks.masked(page, {"oscar": "person 1", "O'Hara": "person 2", "web": "host 1"}) == masked


def test_a_mark_says_when_it_was_the_brain_that_hid_something(as_, page, task):
    Task.objects.filter(pk=task.pk).update(args="('[card]',)", kwargs="{'a': '[jwt]'}")
    rows.event(
        task, task.environment.agents.first(), "task.received", timezone.now(), args="('[card]',)", late=["args"]
    )
    vera = as_("vera")
    ask(vera, page)
    told = get(vera, page("task"))
    assert "Hidden in the brain, or in the worker before: recognised as a card number." in told
    assert "Hidden in the worker: recognised as a signed token." in told


@pytest.mark.parametrize(
    ("args", "kind"),
    [
        ("('a, b', \"c, d\", [1, 2, {'x': 3}], 'it\\'s, so')", "4 arguments</span>"),
        ("(1,)", "1 argument</span>"),
        ("()", 'class="faint">none<'),
        ("('" + "\\'" * 9000, "1 argument</span>"),
    ],
)
def test_how_many_arguments_there_are_is_told_without_them(as_, page, task, args, kind):
    Task.objects.filter(pk=task.pk).update(args=args, kwargs="")
    told = get(as_("vera"), page("task"))
    assert kind in told
    assert "none reported" in told


def test_what_somebody_typed_as_arguments_is_taken_from_no_address(as_, task, page):
    path = reverse("ask", args=["harbor", "production", "task.retry_with"])
    told = get(as_("olive"), f'{path}?target={task.pk}&args=["{CANARY}"]')
    assert CANARY not in told
