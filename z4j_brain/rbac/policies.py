"""Which actions of an environment take a second person, and who could be one.

Approvals are active where enough people could give one: else nobody could do anything, and everything asks for a
reason and a typed number instead. Emergency accounts and tokens do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.utils.translation import gettext

from z4j_brain.rbac import electors
from z4j_brain.rbac.models import ApprovalPolicy, Environment, Project, User
from z4j_brain.rbac.states import EnvironmentKind, Permission

#: Stands for any action on targets.
ANY = "*"
#: To change a policy that asks for anything takes a second person, whatever it says itself.
ITSELF = "environment.set_approval_policy"
#: How many targets an action may have without a second person, where nobody has decided otherwise.
PRODUCTION: Mapping[str, int] = {
    ANY: 100,
    "queue.purge": 0,
    "task.reveal": 0,
    "worker.restart": 1,
    "worker.restart_pool": 1,
    "worker.stop": 1,
    "schedule.delete": 0,
    "audit.erase": 0,
    ITSELF: 0,
    "member.set_role": 0,
}
MINUTES = 15


@dataclass(frozen=True, slots=True)
class Policy:
    """`is_usual`: nobody has changed what an environment of this kind begins with."""

    rules: Mapping[str, int] = field(default_factory=dict)
    minutes: int = MINUTES
    approvers: int = 1
    requests: bool = False
    is_usual: bool = True

    def rule(self, action: str, number: int = 1) -> str:
        """The rule by which this action on so many targets takes a second person; empty when none does."""
        if action == ITSELF and self.rules:
            return ITSELF
        named = self.rules.get(action)
        if named is not None and number > named:
            return action
        most = self.rules.get(ANY)
        return ANY if most is not None and number > most else ""


class Standing(NamedTuple):
    """Whether approvals can work here. `why`: a sentence on why not; `because`: the same below a heading."""

    is_active: bool
    why: str
    people: tuple[str, ...]
    because: str = ""


def usual(kind: str) -> Policy:
    production = kind == EnvironmentKind.PRODUCTION
    return Policy(rules=dict(PRODUCTION) if production else {}, requests=production)


def of(environment: Environment) -> Policy:
    row = ApprovalPolicy.objects.filter(environment=environment).first()
    if row is None:
        return usual(environment.kind)
    return Policy(row.rules, row.minutes, row.approvers, row.requests, is_usual=False)


def approvers(environment: Environment) -> list[User]:
    """Who could say yes here: people in force who hold the right to approve by a role, a grant or a group."""
    return electors.holders(environment, Permission.APPROVE)


def standing(environment: Environment, policy: Policy | None = None) -> Standing:
    """Are there enough people for whoever asks to find another who approves?"""
    names = tuple(one.get_username() for one in approvers(environment))
    wanted = (policy or of(environment)).approvers + 1
    if len(names) >= wanted:
        return Standing(True, "", names)
    told = {"name": names[0] if names else "", "n": len(names), "wanted": wanted}
    way = gettext("Give somebody else the role Admin or Owner.")
    why, because = (said % told for said in _inactive(len(names)))
    return Standing(False, f"{why} {way}", names, f"{because} {way}")


def _inactive(count: int) -> tuple[str, str]:
    if count == 1:
        return (
            gettext("Approvals are inactive: only %(name)s could approve here, and it takes %(wanted)s."),
            gettext("Only %(name)s could approve here, and it takes %(wanted)s."),
        )
    if not count:
        return (
            gettext("Approvals are inactive: no people could approve here, and it takes %(wanted)s."),
            gettext("No people could approve here, and it takes %(wanted)s."),
        )
    return (
        gettext("Approvals are inactive: %(n)s people could approve here, and it takes %(wanted)s."),
        gettext("%(n)s people could approve here, and it takes %(wanted)s."),
    )


def rules(place: Project | Environment, action: str) -> Iterator[tuple[Environment, str]]:
    """Where and by which rule this takes a second person: of a project, in each of its environments that asks."""
    places = [place] if isinstance(place, Environment) else place.environments.select_related("project")
    for environment in places:
        policy = of(environment)
        named = policy.rule(action)
        if named and standing(environment, policy).is_active:
            yield environment, named
