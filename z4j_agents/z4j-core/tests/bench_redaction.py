"""What it costs to tell of a task's arguments: the usual small ones, a kilobyte, and both with a project's rules.

Processor time of this thread, the median of many. The limits are fixed: they are what an event may cost a user's task.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from z4j_core import policy
from z4j_core.policy import Rule
from z4j_core.redaction import Parameters, Redactor

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.bench import rows  # noqa: E402

TIMES = 2000
SMALL = ((1042, "ann"), {"retries": 3, "note": "hello there"})
ORDER = {
    "id": 4711, "note": "Please deliver to the back door, ring twice and wait for an answer. " * 3,
    "items": [{"sku": f"AB-{item}", "quantity": item, "price": 9.5, "name": "red socks"} for item in range(8)],
    "url": "https://shop.example.com/orders/4711?page=1",
    "customer": {"name": "Ann Lee", "email": "ann@mail.example.com", "token": "hunter22"},
}  # fmt: skip


def pay(order_id: int, email: str, retries: int = 0, note: str = "") -> None: ...


def ruled() -> Redactor:
    rules = [Rule(id=f"text-{number}", kind="text", match=f"CU{number}-####", tasks="") for number in range(5)]
    rules += [
        Rule(id=f"name-{number}", kind="name", match=f"vendor ref {chr(97 + number)}", tasks="") for number in range(5)
    ]
    said = {"mode": "redact", "default": "redact", "tasks": [], "rules": rules, "seal_key": ""}
    known = policy.read({**said, "version": policy.version(said)})
    return Redactor("redact", lambda: known)


def median(run: Callable[[], object]) -> float:
    """Microseconds."""
    costs = []
    for _ in range(TIMES):
        start = time.thread_time_ns()
        run()
        costs.append((time.thread_time_ns() - start) / 1000)
    return statistics.median(costs)


def main() -> None:
    names, text = Parameters.of(pay), json.dumps(ORDER)
    plain, shapes, rules = Redactor("redact"), Redactor("shapes"), ruled()

    def small(redactor: Redactor) -> float:
        return median(lambda: redactor.of("shop.pay", names).call(names, *SMALL))

    def large(redactor: Redactor) -> float:
        return median(lambda: redactor.of("shop.pay", names).call(names, (), {"order": ORDER}))

    rows.tell(
        [
            rows.at_most("redaction: the usual small arguments", small(plain), "us", 50),
            rows.at_most("redaction: arguments of a kilobyte", large(plain), "us", 300),
            rows.shown("redaction: a kilobyte as one text", median(lambda: plain.of("shop.pay").value(text)), "us"),
            rows.shown("redaction: small arguments with ten rules of a project", small(rules), "us"),
            rows.shown("redaction: a kilobyte with ten rules of a project", large(rules), "us"),
            rows.shown("redaction: a kilobyte by its shape", large(shapes), "us"),
        ]
    )


if __name__ == "__main__":
    main()
