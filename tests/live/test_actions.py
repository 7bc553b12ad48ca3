"""Every action on every engine: asked for over the API, seen in the engine; and every no is one to act on.

The workers' owners allow everything here, and no customers come: what happens was asked for. The departments go their
way side by side, each through the verbs in the order of EFFECTS; a test waits for its own and tells how it went.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from z4j_core.verbs import VERBS, Subject

from tests.live.demo import Demo, Refused, engines
from tests.live.effects import EFFECTS
from tests.live.guarded import BROKERS, USUAL, Guarded
from tests.live.stage import Stage
from z4j_brain.fleet import verbs as fleet
from z4j_brain.tasks import verbs as tasks

#: What agents have to be allowed besides the usual.
ALLOWED = "run,purge,restart,restart_pool,stop,grow,shrink,autoscale,rate_limit,time_limit"
#: Seconds for all that a department does before a verb, and for the verb: more than any wait in it.
PATIENCE = 420
EACH = "test_what_an_engine_can_is_seen_in_it_and_what_it_cannot_is_said"
MATRIX = [(engine, verb) for engine in engines() for verb in VERBS]
#: What a verb needs to know, where it needs anything.
OPTIONS: dict[str, dict[str, Any]] = {
    "move": {"queue": "elsewhere"},
    "purge": {"confirm": 0},
    "grow": {"by": 1},
    "shrink": {"by": 1},
    "autoscale": {"min": 1, "max": 2},
    "rate_limit": {"name": "any", "limit": "1/m"},
    "time_limit": {"name": "any", "hard": 5},
}


#: What somebody has to be let do, in words.
NEEDED = {verb.name: verb.permission.label for verb in (*tasks.ALL, *fleet.ALL)}
#: A task of Django's that waits for its time.
LATER = (
    "import datetime, django; django.setup(); from returns.tasks import print_label; "
    "due = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1); "
    "print(print_label.using(run_after=due).enqueue('later').id)"
)


def action(verb: str) -> str:
    return "engine.hello" if verb == "hello" else f"{VERBS[verb]}.{verb}"


def options(stage: Stage, verb: str) -> dict[str, Any]:
    """What it takes for nothing but the refusal to stand in its way."""
    return stage.plan.given(stage.word()) if verb in ("run", "retry_with") else OPTIONS.get(verb, {})


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo"), DEMO_QUIET="1", DEMO_ALLOW=ALLOWED)
    yield demo
    assert demo.stop() == 0
    assert demo.leftovers() == []


@pytest.fixture(scope="module")
def played(demo: Demo, request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], Future[None]]]:
    """What becomes of each pair of engine and verb that was chosen to be tested."""
    chosen = {
        (item.callspec.params["engine"], item.callspec.params["verb"])
        for item in request.session.items
        if item.nodeid.partition("[")[0].endswith(f"::{EACH}")
    }
    found: dict[tuple[str, str], Future[None]] = {pair: Future() for pair in MATRIX if pair in chosen}
    stages = {engine: Stage(demo, engine) for engine in engines()}
    with ThreadPoolExecutor(len(stages)) as pool:
        for stage in stages.values():
            pool.submit(_play, stage, found)
        yield found
    for stage in stages.values():
        stage.clear()


def _play(stage: Stage, found: dict[tuple[str, str], Future[None]]) -> None:
    order = [*EFFECTS, *(verb for verb in VERBS if verb not in EFFECTS)]
    mine = [verb for verb in order if (stage.engine, verb) in found]
    prepared = _outcome(stage.prepare) if mine else None
    for verb in mine:
        future, problem = found[stage.engine, verb], prepared or _outcome(lambda verb=verb: _show(stage, verb))
        if problem is None:
            future.set_result(None)
        else:
            future.set_exception(problem)


def _outcome(step: Callable[[], None]) -> BaseException | None:
    """What went wrong in it."""
    try:
        step()
    except BaseException as problem:
        return problem
    return None


def _show(stage: Stage, verb: str) -> None:
    if stage.offers(verb):
        assert verb in EFFECTS, f"{stage.engine} says that it can {verb}, and no test shows it"
        EFFECTS[verb](stage)
    else:
        _shows_why_not(stage, verb)


def _shows_why_not(stage: Stage, verb: str) -> None:
    """The operation is over at once, and the agent's own sentence stands with the target."""
    [voice] = stage.voices()[:1]
    why = voice["missing"].get(verb, "")
    assert len(why) > 20 and why.endswith(".") and "cannot do this" not in why, f"no reason to act on: {why!r}"
    if verb == "run" and not stage.rows("registered"):
        return  # and then there is no target either
    with _target(stage, verb) as target:
        items = stage.settled(stage.post(action(verb), [target], **options(stage, verb)))
    assert {(item["outcome"], item["left_out"], item["detail"]) for item in items} == {
        ("unsupported", "unsupported", why)
    }


@contextmanager
def _target(stage: Stage, verb: str) -> Iterator[object]:
    """Something that only the engine stands between the verb and."""
    if VERBS[verb] == Subject.QUEUE:
        yield stage.queue()["id"]
    elif VERBS[verb] == Subject.WORKER:
        yield stage.worker()["id"]
    elif verb != "move":
        yield stage.failed()["id"]
    elif stage.offers("pause"):
        with stage.paused():
            yield stage.task(stage.run(stage.word()), "queued")["id"]
    else:
        yield stage.task(stage.script(LATER), "scheduled")["id"]


@pytest.mark.parametrize(("engine", "verb"), MATRIX)
def test_what_an_engine_can_is_seen_in_it_and_what_it_cannot_is_said(played, engine, verb):
    played[engine, verb].result(PATIENCE)


@pytest.fixture(scope="module")
def guarded(demo: Demo) -> Iterator[Guarded]:
    """Beside the others: they do not know of each other."""
    opened = Guarded(demo, {engine: Stage(demo, engine) for engine in BROKERS})
    yield opened
    opened.close()


@pytest.mark.parametrize("verb", VERBS)
def test_what_the_owner_of_a_worker_refuses_is_said_with_the_setting_that_refuses_it(guarded, verb):
    engine = "rq" if verb in ("requeue", "restart") else "celery"
    stage, target = guarded.stages[engine], guarded.target(engine, verb, VERBS[verb])

    items = stage.settled(stage.post(action(verb), [target], **options(stage, verb)))

    setting = "refuse {} (Z4J_DENY)" if verb in USUAL.split(",") else "do not allow {} (Z4J_ALLOW)"
    why = f"This worker's own settings {setting.format(verb)}."
    assert {(item["outcome"], item["left_out"], item["detail"]) for item in items} == {("refused", "refused", why)}


@pytest.mark.parametrize("verb", VERBS)
def test_somebody_without_the_role_for_it_is_told_which_permission_is_missing(demo, guarded, verb):
    body = {"action": action(verb), "targets": ["1"]}

    with pytest.raises(Refused) as refused:
        demo.call("operations/", body, api_token=guarded.viewer)

    problem = refused.value.problem
    assert (problem["status"], problem["code"]) == (403, "role_lacks")
    assert problem["detail"] == f"Your role does not let you {NEEDED[action(verb)]}."
