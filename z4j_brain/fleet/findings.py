"""What keeps somebody from seeing or steering their tasks, and what will hurt: sentences, each with the next step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.agents import queries as agents
from z4j_brain.agents.models import Agent
from z4j_brain.agents.states import AgentRole, Presence
from z4j_brain.fleet import queries
from z4j_brain.fleet.models import CLOCK_NOTICED, Queue, Worker
from z4j_brain.lib import nouns
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: How far a clock may be off before commands count as expired there, microseconds.
CLOCK_BREAKS = 60_000_000
#: Agents, workers and queues that are looked at, and names that one sentence holds.
LOOKED_AT, NAMED = 200, 3
_ASKED_OF_AGENTS = ("name", "host", "role", "seen_at", "left_at", "problems", "clock_us", "counters")
_EXPIRED = gettext_lazy("Clocks are up to %(seconds)s s away from the brain's: commands count as expired there.")
_APART = gettext_lazy("Clocks are up to %(seconds)s s away from the brain's: times of one task may not fit together.")


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is wrong or will hurt, on `where`; `fix` is the next step. `grave`: something does not work now."""

    what: str
    fix: str
    where: str = ""
    engine: str = ""
    grave: bool = False


def wrong(actor: Actor, environment: Environment, workers: Sequence[Worker] | None = None) -> list[Finding]:
    """What does not work now, gravest first. `workers`: those heard last, where somebody has them."""
    rows = agents.agents(actor, environment).select_related(None).order_by("-seen_at")
    here = list(rows.only(*_ASKED_OF_AGENTS)[:LOOKED_AT])
    answering = [agent for agent in here if agent.state == Presence.ONLINE]
    workers = queries.heard(actor, environment) if workers is None else workers
    queues = list(queries.queues(actor, environment).order_by("-depth")[:LOOKED_AT])
    serving = queries.serving(queues, workers)
    found = [*_unheard(here, answering), *_problems(answering), *_clocks(answering), *_drops(answering)]
    found += [*_silent(workers[:LOOKED_AT]), *_unserved(queue for queue in queues if not serving[queue.pk].workers)]
    return sorted(found, key=lambda finding: not finding.grave)


def advice(environment: Environment) -> list[Finding]:
    """What in the engines' configuration will hurt, each once, with the workers that say so."""
    said: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    rows = agents.workers(environment).order_by("name", "-seen_at")
    for name, engines in rows.values_list("name", "engines")[:LOOKED_AT]:
        for engine in engines:
            for entry in engine.get("advice") or ():
                said[engine["name"], entry["text"], entry["fix"]].append(name)
    return [Finding(text, fix, _named(names), engine) for (engine, text, fix), names in sorted(said.items())]


def _unheard(here: list[Agent], answering: list[Agent]) -> Iterator[Finding]:
    if here and not any(agent.role == AgentRole.WORKER for agent in answering):
        what = gettext("No worker with an agent has answered for 60 s: nothing can be asked of any.")
        fix = gettext("Start one, or look at its log: the agent says there once why it cannot reach this brain.")
        yield Finding(what, fix, grave=True)


def _problems(answering: list[Agent]) -> Iterator[Finding]:
    told: dict[tuple[str, str], list[str]] = defaultdict(list)
    for agent in answering:
        for problem in agent.problems:
            told[problem.get("engine", ""), problem.get("text", "")].append(agent.name)
    for (engine, text), names in sorted(told.items()):
        fix = gettext("Run z4j-agent doctor there: it names the part to mend.")
        yield Finding(text, fix, _named(names), engine, grave=True)


def _clocks(answering: list[Agent]) -> Iterator[Finding]:
    off = [agent for agent in answering if abs(agent.clock_us or 0) > CLOCK_NOTICED]
    for grave in (True, False):
        some = [agent for agent in off if (abs(agent.clock_us or 0) > CLOCK_BREAKS) is grave]
        if some:
            most = max(abs(agent.clock_us or 0) for agent in some) / 1_000_000
            what = (_EXPIRED if grave else _APART) % {"seconds": f"{most:.0f}"}
            yield Finding(what, gettext("Let the machines keep their time by NTP."), _named(_hosts(some)), grave=grave)


def _drops(answering: list[Agent]) -> Iterator[Finding]:
    lossy = [agent for agent in answering if dropped(agent)]
    if lossy:
        count = sum(dropped(agent) for agent in lossy)
        what = gettext("%(n)s events were dropped by agents before they could be sent.") % {"n": f"{count:,}"}
        fix = gettext("The spool was full while the brain was away: raise Z4J_SPOOL_CAP, or find out why it was away.")
        yield Finding(what, fix, _named(_hosts(lossy)))


def dropped(agent: Agent) -> int:
    """Events that it had to let go before they could be sent, since it began."""
    told = agent.counters.get("dropped")
    counts = told.values() if isinstance(told, dict) else ()
    return sum(count for count in counts if isinstance(count, int))


def _silent(workers: Sequence[Worker]) -> Iterator[Finding]:
    silent = [worker for worker in workers if worker.state == Presence.SILENT]
    recent = [worker for worker in silent if timezone.now() - worker.heartbeat_at < queries.RECENT]
    if recent:
        running = sum(len(worker.running) for worker in recent)
        told = {"workers": nouns.workers(len(recent)), "tasks": nouns.tasks(running)}
        if running:
            what = gettext("%(workers)s fell silent without a goodbye while running %(tasks)s.") % told
        else:
            what = gettext("%(workers)s fell silent without a goodbye.") % told
        fix = gettext("Look at the process on its host; what it ran is looked for in the engine's own store.")
        yield Finding(what, fix, _named([worker.name for worker in recent]), grave=True)


def _unserved(queues: Iterable[Queue]) -> Iterator[Finding]:
    for queue in queues:
        if queue.depth and not queue.is_stale:
            told = {"tasks": nouns.tasks(queue.depth), "queue": queue.name}
            what = gettext("%(tasks)s wait in %(queue)s, and no worker takes from it.") % told
            fix = gettext("Start a worker that serves %(queue)s.") % told
            yield Finding(what, fix, engine=queue.engine, grave=True)


def _hosts(some: Iterable[Agent]) -> list[str]:
    return [agent.host for agent in some]


def _named(names: Iterable[str]) -> str:
    """`a, b, c and 4 more`."""
    once = list(dict.fromkeys(names))
    names = ", ".join(once[:NAMED])
    more = gettext("%(names)s and %(n)s more") % {"names": names, "n": len(once) - NAMED}
    return more if len(once) > NAMED else names
