"""How far the first agent of an environment has come, as the brain saw it: hop by hop, and what keeps it, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from z4j_brain.agents import queries as agents
from z4j_brain.agents.models import Agent, AgentKey
from z4j_brain.agents.states import AgentRole, Presence
from z4j_brain.fleet.models import CLOCK_NOTICED
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: Keys that are looked at; how long a refusal is news, and how long a key may lie unused before that is worth a word.
LOOKED_AT = 200
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
    """`worker`: the one heard last; `is_first`: nobody was, in no role. `called`: somebody knocked, let in or not.
    `what` keeps it from going on, and the `fix`.
    """

    worker: Agent | None
    is_first: bool
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
    keys = list(agents.keys(actor, environment).order_by("-created_at")[:LOOKED_AT])
    refused = _refused(keys)
    newest = next((key for key in keys if key.revoked_at is None), None)
    what, fix = _keeps(worker, last, refused, newest)
    apart = abs(last.clock_us or 0) if last else 0
    hops = (
        Hop("called here", bool(last or refused)),
        Hop("key accepted", last is not None and not refused, failed=refused is not None),
        Hop(f"clock {apart / 1_000_000:.1f} s off" if last else "clock fits", bool(last), failed=apart > CLOCK_NOTICED),
        Hop("worker online", worker is not None and worker.state == Presence.ONLINE),
    )
    return Arrival(worker, last is None, newest is not None, bool(last or refused), hops, what, fix)


def _refused(keys: Iterable[AgentKey]) -> AgentKey | None:
    """The key that was refused last, not long ago, if nothing was heard of it since."""
    since = timezone.now() - NEWS
    recent = [(key.refused_at, key) for key in keys if key.refused_at is not None and key.refused_at > since]
    bad = [(at, key) for at, key in recent if key.last_used_at is None or key.last_used_at < at]
    return max(bad, key=lambda each: each[0])[1] if bad else None


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
