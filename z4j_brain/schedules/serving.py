"""Which agents can do something about a schedule just now, and the sentence that says why none can."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from uuid import UUID

from django.utils.translation import gettext

from z4j_brain.agents import queries as agents
from z4j_brain.agents.queries import Offer
from z4j_brain.agents.states import AgentRole
from z4j_brain.operations.states import LeftOut
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac.models import Environment
from z4j_brain.schedules.models import Schedule

Verdict = tuple[LeftOut, str] | None


class Answering:
    """The agents of workers and schedulers of an environment that answer now. `pks`: these are known even where
    thousands answer.
    """

    def __init__(self, environment: Environment, pks: Collection[UUID] = ()) -> None:
        rows = agents.answering(environment).exclude(role=AgentRole.PRODUCER).order_by("-seen_at").defer("received")
        found = {agent.pk: agent for agent in rows[: agents.ASKED]}
        found |= {agent.pk: agent for agent in rows.filter(pk__in=set(pks))[: agents.ASKED]} if pks else {}
        self._agents = found
        self.offer = cache(self._offer)

    @classmethod
    def of(cls, environment: Environment, rows: Iterable[Schedule]) -> Answering:
        """It knows the agents of these schedules."""
        return cls(environment, {row.agent_id for row in rows if row.agent_id})

    def _offer(self, name: str, asks: str) -> Offer:
        """What they say to this verb of an engine or a scheduler."""
        return agents.reach_among(self._agents.values(), name).offer(asks)

    def able(self, name: str, asks: str, pk: UUID | None) -> UUID | None:
        """This agent, if it answers, can do it and may."""
        agent = self._agents.get(pk) if pk is not None else None
        return pk if agent is not None and agents.reach_among([agent], name).offer(asks).allowed else None

    def obstacle(self, name: str, asks: str, verb: Verb) -> Verdict:
        """Why none of them does it, with the next step."""
        offer = self.offer(name, asks)
        if not offer.online:
            text = gettext(
                "No agent that speaks for %(name)s has answered for 60 s. Start the process it is in, then try again."
            )
            return LeftOut.AGENT_OFFLINE, text % {"name": name}
        if not offer.offered:
            text = gettext("%(verb)s: %(name)s cannot do this here.")
            return LeftOut.UNSUPPORTED, offer.reason or text % {"verb": verb.label, "name": name}
        if not offer.allowed:
            text = gettext("%(verb)s is refused by the settings of the process that %(name)s is in (Z4J_ALLOW).")
            return LeftOut.REFUSED, offer.reason or text % {"verb": verb.label, "name": name}
        return None
