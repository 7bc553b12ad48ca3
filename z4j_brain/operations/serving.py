"""Which agents can carry out a verb just now, who suits a target best, and the sentence that says why nobody can."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext

from z4j_brain.agents import queries as agents
from z4j_brain.agents.models import Agent
from z4j_brain.agents.queries import Offer
from z4j_brain.lib.words import uncapped
from z4j_brain.operations import nouns, outbox
from z4j_brain.operations.states import LeftOut
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac.models import Environment

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def obstacle(engine: str, verb: str, label: StrOrPromise, offer: Offer) -> tuple[LeftOut, str] | None:
    """Why the agents of an engine do not do it, with the next step."""
    if not offer.online:
        text = gettext("No %(engine)s worker with an agent has answered for 60 s. Start one, then try again.")
        return LeftOut.AGENT_OFFLINE, text % {"engine": engine}
    if not offer.offered:
        text = gettext("The agents of %(engine)s cannot %(verb)s here.")
        told = {"engine": engine, "verb": uncapped(nouns.word(verb))}
        return LeftOut.UNSUPPORTED, offer.reason or text % told
    if not offer.allowed:
        text = gettext("%(verb)s is refused by the workers' own settings (Z4J_ALLOW).")
        return LeftOut.REFUSED, offer.reason or text % {"verb": label}
    return None


class Serving:
    """The worker agents of an environment that answer now and do this verb."""

    def __init__(
        self, environment: Environment, verb: Verb, vaults: Collection[str] = (), pks: Collection[UUID] = ()
    ) -> None:
        """`vaults` and `pks`: those that somebody asks for by name are known even where thousands answer."""
        self._verb = verb
        workers = agents.workers(environment).order_by("-seen_at")
        rows = {agent.pk: agent for agent in workers[: agents.ASKED]}
        wanted = Q(vault__in=set(vaults) - {""}) | Q(pk__in=pks)
        rows |= {agent.pk: agent for agent in workers.filter(wanted)[: agents.ASKED]} if vaults or pks else {}
        #: Engines and agents that do it.
        self.those: set[tuple[str, UUID]] = set()
        self._by_vault: dict[tuple[str, str], UUID] = {}
        self._by_kid: dict[tuple[str, str], UUID] = {}
        for agent in rows.values():
            self._add(agent)
        self._agents = tuple(rows.values())
        self.obstacle = cache(self._obstacle)

    def _add(self, agent: Agent) -> None:
        for engine, offered in outbox.offers(agent):
            if offered == self._verb.asks:
                self.those.add((engine, agent.pk))
                self._by_vault.setdefault((engine, agent.vault), agent.pk)
                for kid in agent.seal_kids:
                    self._by_kid.setdefault((engine, kid), agent.pk)

    def _obstacle(self, engine: str) -> tuple[LeftOut, str] | None:
        offer = agents.reach_among(self._agents, engine).offer(self._verb.asks)
        return obstacle(engine, self._verb.asks, self._verb.label, offer)

    def keeper(self, engine: str, vault: str) -> UUID | None:
        """Who keeps the originals; None: nobody who answers."""
        return self._by_vault.get((engine, vault)) if vault else None

    def opener(self, engine: str, kid: str) -> UUID | None:
        """Who has the key of what is sealed; None: nobody who answers."""
        return self._by_kid.get((engine, kid)) if kid else None

    def able(self, engine: str, agent: UUID | None) -> UUID | None:
        """The agent, if it answers and does this."""
        return agent if agent is not None and (engine, agent) in self.those else None
