"""How far the first agent of an environment has come, as the brain saw it: hop by hop, and what keeps it, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from z4j_brain.agents import queries as agents
from z4j_brain.agents.models import Agent, AgentKey
from z4j_brain.agents.states import AgentRole, Presence
from z4j_brain.fleet.models import CLOCK_NOTICED
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: How long a refusal is news, and how long a key may lie unused before that is worth a word.
NEWS, UNUSED = timedelta(minutes=15), timedelta(minutes=1)
#: By the gateway's code: what happened to whoever called with this key.
_REFUSED = {
    "token_unknown": (
        "Somebody calls with the id of the key {name} and another secret: refused.",
        "The DSN was cut or mixed with another. Copy it whole, between its quotes, or make another key.",
    ),
    "token_revoked": ("An agent calls with the key {name}, which was revoked.", "Make another key and use its DSN."),
    "token_expired": ("An agent calls with the key {name}, which has expired.", "Make another key and use its DSN."),
}


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of the way; `failed`: this is the one that keeps it."""

    word: str
    done: bool
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """`worker`: the one heard last. `called`: somebody knocked, let in or not. `what` keeps it, and the `fix`."""

    worker: Agent | None
    has_key: bool
    called: bool
    hops: tuple[Hop, ...]
    what: str = ""
    fix: str = ""


def arrival(actor: Actor, environment: Environment) -> Arrival:
    """For whoever may see the environment; of its keys only those are told who manage them."""
    heard = agents.agents(actor, environment)
    worker = heard.filter(role=AgentRole.WORKER).order_by("-seen_at").first()
    last = worker or heard.order_by("-seen_at").first()
    keys = agents.keys(actor, environment)
    refused = _refused(keys.exclude(refused_at=None).order_by("-refused_at").first())
    newest = keys.filter(revoked_at=None).order_by("-created_at").first()
    what, fix = _keeps(worker, last, refused, newest)
    apart = abs(last.clock_us or 0) if last else 0
    hops = (
        Hop("called here", bool(last or refused)),
        Hop("key accepted", last is not None and not refused, failed=refused is not None),
        Hop(f"clock {apart / 1_000_000:.1f} s off" if last else "clock fits", bool(last), failed=apart > CLOCK_NOTICED),
        Hop("worker online", worker is not None and worker.state == Presence.ONLINE),
    )
    return Arrival(worker, newest is not None, bool(last or refused), hops, what, fix)


def _refused(key: AgentKey | None) -> AgentKey | None:
    """The key, if its refusal is the last that was heard of it, and not long ago."""
    if key is None or key.refused_at is None or key.refused_at < timezone.now() - NEWS:
        return None
    return key if key.last_used_at is None or key.last_used_at < key.refused_at else None


def _keeps(
    worker: Agent | None, last: Agent | None, refused: AgentKey | None, newest: AgentKey | None
) -> tuple[str, str]:
    """What keeps a worker from being seen, and the next step; nothing while all may still be well."""
    if refused is not None:
        what, fix = _REFUSED.get(
            refused.refused_code, ("An agent calls with the key {name}: refused.", "Make another.")
        )
        return what.format(name=refused.name), fix
    if last is not None and abs(last.clock_us or 0) > CLOCK_NOTICED:
        apart = abs(last.clock_us or 0) / 1_000_000
        return f"The clock of {last.host} is {apart:.0f} s away from the brain's.", "Let both keep their time by NTP."
    if worker is not None and worker.state != Presence.ONLINE:
        how = "said goodbye" if worker.state == Presence.OFFLINE else "fell silent"
        return f"{worker.name} was connected and {how}.", "Start it again, or look at its log."
    if worker is None and last is not None:
        what = f"{last.name} is heard as a {last.get_role_display().lower()}; no worker has called yet."
        return what, "Start the worker with the same Z4J_DSN, in the way that step 2 shows."
    if last is None and newest is not None and newest.created_at < timezone.now() - UNUSED:
        fix = "Run z4j-agent doctor where the worker runs: it names the hop that fails."
        return f"Nothing has called with the key {newest.name}, nor with another of this environment.", fix
    return "", ""
