"""How the gateway finds the agent of a boot."""

from __future__ import annotations

from uuid import uuid4

from z4j_core.verbs import SCHEDULER_WORDS, WORDS

from tests import rows
from z4j_brain.agents import queries, wordings


def test_a_boot_that_another_tenant_has_copied_still_leads_to_its_own_agent(cast):
    boot = uuid4()
    places = [cast.island, cast.production, cast.staging]
    agents = [rows.agent(place, boot=boot) for place in places]

    assert [queries.of_boot(place.pk, boot) for place in places] == agents
    wanted = [(cast.production.pk, boot), (cast.staging.pk, uuid4())]
    assert queries.of_boots(wanted) == {(cast.production.pk, boot): agents[1]}


def test_what_agents_call_what_they_offer_is_there_to_translate():
    assert {*WORDS.values(), *SCHEDULER_WORDS.values()} == set(wordings.WORDS)
