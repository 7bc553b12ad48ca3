"""How far the first agent of an engine has come in an environment, as the brain saw it, and what keeps it, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from z4j_brain.agents import queries as agents
from z4j_brain.agents.models import Agent, AgentKey
from z4j_brain.agents.states import AgentRole, Presence
from z4j_brain.fleet.models import CLOCK_NOTICED
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: Keys, and agents, that are looked at; how long a refusal is news, and how long a key may lie unused before that is
#: worth a word.
LOOKED_AT = 200
NEWS, UNUSED = timedelta(minutes=15), timedelta(minutes=1)
_ANOTHER = gettext_lazy("Make another key and use its DSN.")
#: By the gateway's code: what happened to whoever called with this key.
_REFUSED = {
    "token_unknown": (
        gettext_lazy("Somebody calls with the id of the key %(name)s and another secret: refused."),
        gettext_lazy("The DSN was cut or mixed with another. Copy it whole, between its quotes, or make another key."),
    ),
    "token_revoked": (gettext_lazy("An agent calls with the key %(name)s, which was revoked."), _ANOTHER),
    "token_expired": (gettext_lazy("An agent calls with the key %(name)s, which has expired."), _ANOTHER),
}
_OTHERS = gettext_lazy("An agent calls with the key %(name)s: refused."), gettext_lazy("Make another.")


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of the way; `failed`: this is the one that keeps it."""

    word: str
    done: bool
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """`worker`: the one of this engine heard last; `is_first`: nobody was, of no engine, in no role. `called`: somebody
    knocked, let in or not. `what` keeps it from going on, and the `fix`.
    """

    worker: Agent | None
    is_first: bool
    has_key: bool
    called: bool
    hops: tuple[Hop, ...]
    what: str = ""
    fix: str = ""


def arrival(actor: Actor, environment: Environment, engine: str) -> Arrival:
    """For whoever may see the environment; of its keys only those are told who manage them."""
    everybody = list(agents.agents(actor, environment).order_by("-seen_at")[:LOOKED_AT])
    heard = [one for one in everybody if not one.engines or engine in (each.get("name") for each in one.engines)]
    worker = next((one for one in heard if one.role == AgentRole.WORKER), None)
    last = worker or next(iter(heard), None)
    keys = list(agents.keys(actor, environment).order_by("-created_at")[:LOOKED_AT])
    refused = _refused(keys)
    newest = next((key for key in keys if key.revoked_at is None), None)
    what, fix = _keeps(worker, last, refused, newest)
    apart = abs(last.clock_us or 0) if last else 0
    clock = gettext("clock %(seconds)s s off") % {"seconds": f"{apart / 1_000_000:.1f}"} if last else ""
    hops = (
        Hop(gettext("called here"), bool(last or refused)),
        Hop(gettext("key accepted"), last is not None and not refused, failed=refused is not None),
        Hop(clock or gettext("clock fits"), bool(last), failed=apart > CLOCK_NOTICED),
        Hop(gettext("worker online"), worker is not None and worker.state == Presence.ONLINE),
    )
    return Arrival(worker, not everybody, newest is not None, bool(last or refused), hops, what, fix)


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
        what, step = _REFUSED.get(refused.refused_code, _OTHERS)
        return what % {"name": refused.name}, str(step)
    if last is not None and abs(last.clock_us or 0) > CLOCK_NOTICED:
        apart = abs(last.clock_us or 0) / 1_000_000
        told = {"host": last.host, "seconds": f"{apart:.0f}"}
        said = gettext("The clock of %(host)s is %(seconds)s s away from the brain's.") % told
        return said, gettext("Let both keep their time by NTP.")
    if worker is not None and worker.state != Presence.ONLINE:
        left = worker.state == Presence.OFFLINE
        said = (
            gettext("%(name)s was connected and said goodbye.")
            if left
            else gettext("%(name)s was connected and fell silent.")
        )
        return said % {"name": worker.name}, gettext("Start it again, or look at its log.")
    if worker is None and last is not None:
        said = gettext("%(name)s is heard as a %(role)s; no worker has called yet.")
        fix = gettext("Start the worker with the same Z4J_DSN, in the way that step 2 shows.")
        return said % {"name": last.name, "role": last.role}, fix
    if last is None and newest is not None and newest.created_at < timezone.now() - UNUSED:
        said = gettext("Nothing has called with the key %(name)s, nor with another of this environment.")
        fix = gettext("Run z4j-agent doctor where the worker runs: it names the hop that fails.")
        return said % {"name": newest.name}, fix
    return "", ""
