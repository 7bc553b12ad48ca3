"""What keeps this agent from seeing all of its engines: told with agent.online, one sentence each."""

from __future__ import annotations

from typing import TypedDict

from z4j_core.adapter import Adapter

from z4j_bare.bounds import declared, within


class Problem(TypedDict):
    engine: str
    code: str
    text: str


class Problems:
    """By engine and place. Each operation is one step of a dictionary, so that threads need no lock."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Problem] = {}
        self._checked: set[str] = set()

    def tell(self, engine: str, code: str, text: str, place: str = "") -> bool:
        """True: that is new. `place`: what failed, when one thing may work again while another does not."""
        problem = Problem(engine=engine, code=code, text=text)
        before = self._known.get((engine, place or code))
        self._known[engine, place or code] = problem
        return before is None or before["code"] != code

    def over(self, engine: str, place: str) -> bool:
        """True: it was a problem until now."""
        return self._known.pop((engine, place), None) is not None

    def told(self) -> list[Problem]:
        """Each code once an engine."""
        once = {(problem["engine"], problem["code"]): problem for problem in list(self._known.values())}
        return [once[key] for key in sorted(once)]

    def check_version(self, engine: Adapter) -> None:
        """Once an engine: is its release one that the adapter was tried with?"""
        if engine.name in self._checked:
            return
        self._checked.add(engine.name)
        version, bounds = engine.version(), declared(engine.name)
        if not within(version, bounds):
            text = f"{engine.name} {version} is installed; its adapter was tried with {bounds}. It is observed anyway."
            self.tell(engine.name, "version_outside_bounds", text)
