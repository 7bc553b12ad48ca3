"""A sealed original is shown in the terminal of whoever asked, by a worker whose owner allows it, and nowhere else."""

from __future__ import annotations

from tests.brain import Brain
from tests.live.test_sealed import CANARY, Shop, every_row, shop, task, until
from tests.remote.conftest import Shell

__all__ = ["shop"]


def test_a_worker_shows_it_to_whoever_asked_once_its_owner_allows_it(live_brain: Brain, shop: Shop) -> None:
    olive = Shell(live_brain.url, live_brain.tokens["olive"])
    shop.environment |= {"Z4J_ALLOW": "reveal"}
    with shop.worker():
        ann = shop.buy("ann")
        until(lambda: task(live_brain, f"task_id={ann}&state=succeeded"))
        words = ["reveal", "harbor/production", ann]
        piped = olive(*words, "--reason", "an order that bounced")
        assert (piped.code, "--force" in piped.aside) == (2, True)
        assert olive.terminal(*words).until("Reason:").type("").end().code == 2
        oscar = Shell(live_brain.url, live_brain.tokens["oscar"]).terminal(*words, "--reason", "curious").end()
        assert (oscar.code, CANARY in oscar.out) == (1, False)

        shown = olive.terminal(*words, "--reason", "an order that bounced").end()
        assert (shown.code, CANARY in shown.out, "ann" in shown.out) == (0, True, True), shown.out
    assert CANARY not in "".join(repr(row) for row in every_row(live_brain))

    shop.environment |= {"Z4J_ALLOW": ""}
    with shop.worker():  # before it is heard of, the command gives up and takes back what it asked for
        words += ["--reason", "once more", "--wait", "3"]
        refused = until(lambda: said if "Z4J_ALLOW" in (said := olive.terminal(*words).end()).out else None)
        assert (refused.code, CANARY in refused.out) == (1, False)
