"""What the soak does to a workshop: each fault strikes somebody, and is healed some seconds later."""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from typing import Any, ClassVar

import psycopg

from tests.faults.cluster import order_postgres
from tests.faults.workshop import Workshop


class Fault:
    """`victim`: what it has struck, for people."""

    def __init__(self, shop: Workshop, chance: random.Random) -> None:
        self.shop, self.chance, self.victim = shop, chance, ""
        self.host = chance.choice(shop.hosts)

    def strike(self) -> None:
        raise NotImplementedError

    def heal(self) -> None:
        """Nothing has to be done where it passes by itself."""

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.victim})" if self.victim else type(self).__name__


class KillMember(Fault):
    """A process of the brain is gone, and comes back."""

    role: ClassVar[str]

    def strike(self) -> None:
        self.member = self.chance.choice(self.shop.members(self.role))
        self.shop.kill(self.member)

    def heal(self) -> None:
        self.shop.start(self.member)


class KillWeb(KillMember):
    role = "web"


class KillHousekeeping(KillMember):
    role = "housekeeping"


class KillSigner(KillMember):
    role = "signer"


class KillAgent(Fault):
    def strike(self) -> None:
        self.victim = self.chance.choice(sorted(self.host.makers))
        self.host.kill(self.victim)

    def heal(self) -> None:
        self.host.start(self.victim)


class RestartPostgres(Fault):
    def strike(self) -> None:
        order_postgres(self.shop.own, "restart")


class ExhaustPostgres(Fault):
    """Every connection it has to give is taken, after those that stood were ended."""

    def strike(self) -> None:
        self.taken: list[psycopg.Connection[Any]] = []
        uri = self.shop.own.server.get_uri()
        with suppress(psycopg.OperationalError):
            self.taken.append(psycopg.connect(uri, autocommit=True))
            self.taken[0].execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            )
            while True:
                self.taken.append(psycopg.connect(uri))

    def heal(self) -> None:
        for connection in self.taken:
            connection.close()


class RestartValkey(Fault):
    def strike(self) -> None:
        self.shop.cluster.channel.kill()

    def heal(self) -> None:
        self.shop.cluster.channel.start()


class StopValkey(Fault):
    """It takes connections and never answers."""

    def strike(self) -> None:
        self.shop.cluster.channel.signal(signal.SIGSTOP)

    def heal(self) -> None:
        self.shop.cluster.channel.signal(signal.SIGCONT)


class Line(Fault):
    """Between a host and the brain."""

    weather: ClassVar[dict[str, Any]]

    def strike(self) -> None:
        self.victim = self.host.name
        self.host.proxy.become(**self.weather)

    def heal(self) -> None:
        self.host.proxy.become()


class Cut(Line):
    weather: ClassVar[dict[str, Any]] = {"cut": True}


class HalfOpen(Line):
    weather: ClassVar[dict[str, Any]] = {"hole": True}


class Latency(Line):
    weather: ClassVar[dict[str, Any]] = {"late": 1.0}


class Loss(Line):
    weather: ClassVar[dict[str, Any]] = {"loss": 0.05, "broken": 3}


class DiskFull(Fault):
    """Of the spools of a host."""

    def strike(self) -> None:
        self.victim = self.host.name
        if self.host.volume:
            self.host.volume.fill()

    def heal(self) -> None:
        if self.host.volume:
            self.host.volume.empty()


class ClockStep(Fault):
    """Of a host, and back again."""

    def strike(self) -> None:
        hours = self.chance.choice((-24, -1, 1, 24))
        self.victim = f"{self.host.name} {hours:+} h"
        self.host.step_clock(hours * 3600)

    def heal(self) -> None:
        self.host.step_clock(0)


class Freeze(Fault):
    """A process stands still."""

    def strike(self) -> None:
        agents = {name: maker.pid for host in self.shop.hosts for name, maker in host.makers.items()}
        brain = {f"{one.role}:{one.port}": one.pid for one in self.shop.cluster.members}
        self.victim = self.chance.choice(sorted(agents | brain))
        self.pid = (agents | brain)[self.victim]
        with suppress(ProcessLookupError):  # the other fault has killed it
            os.kill(self.pid, signal.SIGSTOP)

    def heal(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)


def possible(shop: Workshop) -> list[type[Fault]]:
    """What can be done here: only root may mount a small disk."""
    everywhere: list[type[Fault]] = [KillWeb, KillHousekeeping, KillSigner, KillAgent, Freeze, ClockStep]
    everywhere += [RestartPostgres, ExhaustPostgres, RestartValkey, StopValkey, Cut, HalfOpen, Latency, Loss]
    return everywhere + ([DiskFull] if all(host.volume for host in shop.hosts) else [])


def pair(shop: Workshop, chance: random.Random) -> list[Fault]:
    """Two at once, of two kinds."""
    return [kind(shop, chance) for kind in chance.sample(possible(shop), 2)]
