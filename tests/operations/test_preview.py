"""A preview says what would happen, to the last target, and a wish that is wrong is told where."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import rows
from z4j_brain.fleet import repertoires
from z4j_brain.fleet.models import Repertoire
from z4j_brain.ledger.models import Entry
from z4j_brain.operations.models import Operation, Snapshot

PARAMS = [["order", "e", True], ["currency", "k", False]]


@pytest.fixture
def preview(ask, cast):
    """The preview of a retry of all that a filter matches."""
    return lambda **body: ask("operations/preview/", **{"action": "task.retry"} | body)


def test_it_counts_splits_and_samples_what_matches_and_how_far_agents_are_behind(preview, cast):
    cast.production.reason_required = True
    cast.production.save()
    rows.agent(cast.production, counters={"spooled": 7}, engines=[_engine("celery", retry="a new message")])
    now = timezone.now()
    tasks = [
        rows.task(cast.production, name=f"shop.n{number % 2}", error_type="OSError", finished_at=_ago(now, number))
        for number in range(12)
    ]
    rows.task(cast.production, state="started")
    rows.task(cast.staging)

    told = preview(filter={"state": "failed"}, options={"rate": 2, "delay": 60}).json()

    assert (told["matching"], told["able"], told["excluded_count"], told["excluded"]) == (12, 12, 0, [])
    assert told["by"] == {
        "name": [{"value": "shop.n0", "count": 6}, {"value": "shop.n1", "count": 6}],
        "queue": [{"value": "emails", "count": 12}],
        "engine": [{"value": "celery", "count": 12}],
        "error": [{"value": "OSError", "count": 12}],
    }
    sampled = [int(sample["id"]) for sample in told["samples"]]
    assert len(sampled) == 5 and (sampled[0], sampled[-1]) == (tasks[0].pk, tasks[-1].pk)
    assert sampled == sorted(sampled)
    assert told["oldest"] < told["newest"]
    assert told["seconds"] == 66
    assert told["behind"] == {"agents": 1, "events": 7}
    assert told["notes"] == [{"engine": "celery", "text": "a new message"}]
    assert (told["waiting"], told["confirm"], told["reason_required"]) == (0, None, True)
    assert not Operation.objects.exists()


def test_each_reason_to_leave_a_task_out_comes_with_what_to_do_about_it(preview, ask, cast):
    place = cast.production
    rows.agent(place, vault="v1")
    rows.agent(place, name="shy", engines=[_engine("rq", retry="")], allowed=[], refused={"retry": "Set Z4J_ALLOW."})
    rows.agent(place, name="plain", engines=[_engine("huey", missing={"retry": "Huey keeps no arguments."})])
    fine, going = rows.task(place), rows.task(place, state="started")
    retried = rows.task(place)
    rows.task(place, state="queued", retry_of=retried.task_id)
    asked, done = rows.task(place), rows.task(place)
    rows.operation(place, [asked])
    rows.operation(place, [done]).items.update(outcome="done", new_task_id="not-heard-of-yet")
    bare = rows.task(place)
    rows.operation(place, [bare]).items.update(outcome="args_unavailable", detail="They were never kept.")
    shy, plain, away = (rows.task(place, engine=engine) for engine in ("rq", "huey", "arq"))
    chosen = [one.pk for one in (fine, going, retried, asked, done, bare, shy, plain, away)]

    told = preview(targets=chosen, options={"wait": False}).json()
    waiting = preview(targets=chosen).json()

    assert (told["matching"], told["able"], told["excluded_count"]) == (9, 1, 8)
    found = {one["code"]: (one["count"], one["text"]) for one in told["excluded"]}
    assert sorted(found) == [
        "agent_offline", "already_asked", "already_retried", "args_unavailable", "not_finished", "refused",
        "unsupported",
    ]  # fmt: skip
    assert found["already_retried"][0] == 2
    assert "Running, not finished" in found["not_finished"][1]
    assert "Say “again”" in found["already_retried"][1]
    assert "oscar has asked for it already" in found["already_asked"][1]
    assert found["args_unavailable"][1] == "They were never kept."
    assert found["refused"][1] == "Set Z4J_ALLOW."
    assert found["unsupported"][1] == "Huey keeps no arguments."
    assert "No arq worker" in found["agent_offline"][1]
    assert (waiting["able"], waiting["waiting"]) == (2, 1)
    again = preview(targets=chosen, options={"again": True, "wait": False}).json()
    assert again["able"] == 3


@pytest.mark.parametrize(
    ("action", "state", "code"),
    [
        ("task.cancel", "failed", "already_final"),
        ("task.requeue", "succeeded", "not_given_up"),
        ("task.move", "started", "not_waiting"),
    ],
)
def test_a_verb_that_makes_no_sense_for_a_task_leaves_it_out(ask, cast, action, state, code):
    rows.agent(cast.production, verbs=(action.partition(".")[2],))
    task = rows.task(cast.production, state=state)
    options = {"queue": "other"} if action == "task.move" else {}

    told = ask("operations/preview/", action=action, targets=[task.pk], options=options).json()

    assert [one["code"] for one in told["excluded"]] == [code]


def test_arguments_that_do_not_fit_are_named_and_refused_when_they_fit_nothing(preview, ask, cast):
    rows.agent(cast.production, verbs=("retry_with", "run"))
    pay = rows.registered(cast.production, name="shop.pay", params=PARAMS)
    fits, not_told = rows.task(cast.production, name="shop.pay"), rows.task(cast.production, name="shop.other")
    wrong = {"args": [1, 2], "kwargs": {}}

    told = preview(action="task.retry_with", targets=[fits.pk, not_told.pk], options=wrong).json()
    part = ask("operations/", action="task.retry_with", targets=[fits.pk, not_told.pk], options=wrong)
    none = ask("operations/", action="task.retry_with", targets=[fits.pk], options=wrong)
    run = ask("operations/", action="task.run", targets=[pay.pk], options={"kwargs": {"price": 1}})
    good = ask("operations/", action="task.run", targets=[pay.pk], options={"args": [7]})

    assert told["excluded"][0] | {"label": ""} == {
        "code": "wrong_arguments", "label": "", "count": 1,
        "text": "shop.pay: It takes at most 1 by position, 2 were given.",
    }  # fmt: skip
    assert (part.status_code, good.status_code) == (202, 202)
    assert dict(Operation.objects.get(pk=part.json()["id"]).items.values_list("target_id", "left_out")) == {
        str(fits.pk): "wrong_arguments", str(not_told.pk): "",
    }  # fmt: skip
    for refused in (none, run):
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["pointer"] == "#/options/args"
    assert Operation.objects.count() == 2


def test_of_two_programs_on_one_engine_the_one_that_knows_a_task_is_asked(ask, cast):
    """Where both know it, or neither, whoever comes first takes it."""
    place, verbs = cast.production, ("retry", "run")
    shop, depot = rows.agent(place, verbs=verbs), rows.agent(place, verbs=verbs, name="depot-1")
    for agent, names in ((shop, ["shop.pay", "both.tidy"]), (depot, ["depot.count", "both.tidy"])):
        worker = rows.worker(place, name=agent.name, agent=agent)
        Repertoire.objects.create(worker=worker, **repertoires.columns(names))
    known = ("shop.pay", "depot.count", "both.tidy", "nobody.knows")
    tasks = {name: rows.task(place, name=name) for name in known}
    count = rows.registered(place, name="depot.count")

    made = ask("operations/", action="task.retry", targets=[task.pk for task in tasks.values()]).json()["id"]
    ran = ask("operations/", action="task.run", targets=[count.pk], options={}).json()["id"]

    def asked(operation):
        rows = Operation.objects.get(pk=operation).items.values_list("label", "command__audience")
        return dict(rows)

    assert asked(made) == {"shop.pay": shop.pk, "depot.count": depot.pk, "both.tidy": None, "nobody.knows": None}
    assert asked(ran) == {"depot.count": depot.pk}


def test_what_kind_of_arguments_were_given_is_shown_only_to_those_who_may_see_them(ask, client, cast):
    pay = rows.registered(cast.production)
    rows.agent(cast.production, verbs=("run",))
    made = ask("operations/", action="task.run", targets=[pay.pk], options={"args": ["secret"]})

    seen = client.get(made["Location"], **cast.bearer("vera")).json()["options"]
    unseen = client.get(made["Location"], **cast.bearer("audrey")).json()["options"]

    assert seen["args"] and "secret" not in str(seen)
    assert unseen["args"] is unseen["kwargs"] is None


def test_a_queue_that_nobody_takes_from_and_a_target_that_went_are_left_out(ask, cast):
    queue, worker = rows.queue(cast.production), rows.worker(cast.production)
    told = ask("operations/preview/", action="queue.pause", targets=[queue.pk]).json()
    assert [one["code"] for one in told["excluded"]] == ["nobody_takes"]

    found = ask("operations/preview/", "olive", action="worker.stop", filter={"engine": "celery"}).json()
    worker.delete()
    made = ask("operations/", "olive", action="worker.stop", preview=found["preview"])

    assert Operation.objects.get(pk=made.json()["id"]).items.get().left_out == "gone"


def test_a_viewer_is_refused_and_only_what_was_asked_in_earnest_is_recorded(ask, cast):
    task = rows.task(cast.production)

    for path, recorded in (("operations/preview/", 0), ("operations/", 1)):
        answer = ask(path, "vera", action="task.retry", targets=[task.pk])

        assert (answer.status_code, answer.json()["code"]) == (403, "role_lacks")
        assert Entry.objects.filter(outcome="refused", action="task.retry").count() == recorded
    assert not Snapshot.objects.exists()


def test_ids_of_another_tenant_are_not_found_and_pointed_at(preview, cast):
    mine, theirs = rows.task(cast.production), rows.task(cast.island)

    answer = preview(targets=[mine.pk, theirs.pk, "9" * 5000, "x"])

    assert answer.status_code == 404
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["#/targets/1", "#/targets/2", "#/targets/3"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "task.explode", "all": True}, "#/action"),
        ({"filter": {"colour": "red"}}, "#/filter/colour"),
        ({"filter": {"state__like": "f"}}, "#/filter/state__like"),
        ({"filter": {"state": "fialed"}}, "#/filter/state"),
        ({"filter": {"state": None}}, "#/filter/state"),
        ({"filter": {"first_at__gte": {"a": 1}}}, "#/filter/first_at__gte"),
        ({"filter": {}}, "#/filter"),
        ({}, "#"),
        ({"filter": {"state": "failed"}, "targets": [1]}, "#"),
        ({"targets": [1], "all": True}, "#"),
        ({"all": True, "preview": "01900000-0000-7000-8000-000000000001"}, "#"),
        ({"filter": {"operation": "x"}}, "#/filter/operation"),
        ({"filter": {"operation": "x", "state": "failed"}}, "#/filter/state"),
        ({"action": "worker.stop", "filter": {"id__in": [1, {}]}}, "#/filter/id__in"),
        ({"all": True, "options": {"speed": 1}}, "#/options/speed"),
        ({"all": True, "options": {"rate": 0}}, "#/options/rate"),
        ({"all": True, "options": {"rate": True}}, "#/options/rate"),
        ({"all": True, "options": {"rate": [1]}}, "#/options/rate"),
        ({"all": True, "options": {"stop_after": 0}}, "#/options/stop_after"),
        ({"all": True, "options": {"stop_after": 1.5}}, "#/options/stop_after"),
        ({"all": True, "options": {"order": "random"}}, "#/options/order"),
        ({"all": True, "options": {"delay": -1}}, "#/options/delay"),
        ({"all": True, "options": {"valid_for": 1}}, "#/options/valid_for"),
        ({"all": True, "options": {"wait": {}}}, "#/options/wait"),
        ({"all": True, "options": {"wait": "perhaps"}}, "#/options/wait"),
        ({"all": True, "options": {"again": "perhaps"}}, "#/options/again"),
        ({"all": True, "options": []}, "#/options"),
        ({"action": "task.move", "all": True}, "#/options/queue"),
        ({"action": "task.move", "all": True, "options": {"queue": "a\0"}}, "#/options/queue"),
        ({"action": "task.run", "all": True, "options": {"args": {}}}, None),
        ({"action": "task.run", "all": True, "options": {"args": {"a": 1}}}, "#/options/args"),
        ({"action": "task.run", "all": True, "options": {"args": ["x" * 20_000]}}, "#/options/args"),
        ({"action": "task.run", "all": True, "options": {"args": "[1"}}, "#/options/args"),
        ({"action": "worker.autoscale", "all": True, "options": {"min": 0, "max": 3}}, None),
        ({"action": "worker.autoscale", "all": True, "options": {"min": 4, "max": 3}}, "#/options/max"),
        ({"action": "worker.time_limit", "all": True, "options": {"name": "a"}}, "#/options/soft"),
    ],
)
def test_a_wish_that_is_wrong_is_a_problem_that_points_at_the_field(ask, cast, body, pointer):
    answer = ask("operations/preview/", "olive", **{"action": "task.retry"} | body)

    if pointer is None:
        assert answer.status_code == 200, answer.content
        return
    assert answer.status_code == 400, answer.content
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


def test_an_outcome_that_does_not_exist_is_no_filter(ask, cast):
    made = rows.operation(cast.production, [rows.task(cast.production)])
    for outcome in ("burnt", 5, ["done", {}]):
        answer = ask("operations/preview/", action="task.retry", filter={"operation": str(made.pk), "outcome": outcome})

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "#/filter/outcome"


def test_what_is_chosen_with_a_nought_stays_chosen(ask, cast):
    told = ask("operations/preview/", "olive", action="worker.autoscale", all=True, options={"min": 0, "max": 2})

    assert told.json()["options"] == {"min": 0, "max": 2}


def test_text_that_a_store_cannot_keep_is_refused(ask, cast):
    pay = rows.registered(cast.production)
    rows.agent(cast.production, verbs=("run",))

    for given in ({"args": ["nul\0"]}, {"args": '["nul\\u0000"]'}, {"kwargs": {"\0": 1}}, {"args": '[{"\\ud800": 1}]'}):
        refused = ask("operations/", action="task.run", targets=[pay.pk], options=given)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["pointer"].startswith("#/options/")
    kept = ask("operations/", action="task.run", targets=[pay.pk], options={"args": ["é\t\\u0000 🙂"]})
    assert kept.status_code == 202


def _ago(now, minutes):
    return now - timedelta(minutes=60 - minutes)


def _engine(name, missing=None, **notes):
    capabilities = {verb: {"note": note} for verb, note in notes.items()}
    return {"name": name, "capabilities": capabilities, "missing": missing or {}}
