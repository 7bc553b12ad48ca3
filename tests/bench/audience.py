"""The store of bench_live.py, with tasks and people signed in: `python -m tests.bench.audience PEOPLE TASKS`.

Half of the people operate, half only look. Prints the keys of their sessions, a JSON list.
"""

from __future__ import annotations

import json
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "z4j_brain.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from django.test import Client  # noqa: E402

from tests.bench import million  # noqa: E402
from z4j_brain.rbac import guardian_rows  # noqa: E402
from z4j_brain.rbac.models import Environment, Membership, User  # noqa: E402
from z4j_brain.rbac.states import Role  # noqa: E402


def session(number: int, environment: Environment) -> str:
    user = User.objects.create(username=f"reader-{number}", email=f"reader-{number}@example.com")
    role = Role.VIEWER if number % 2 else Role.OPERATOR
    Membership.objects.create(user=user, project=environment.project, role=role)
    guardian_rows.rewrite(user, environment.project)
    browser = Client()
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return str(browser.session.session_key)


def main(people: int, tasks: int) -> None:
    place = Environment.objects.get(project__slug="harbor", slug="production")
    million.fill(place, 1, tasks, tasks)
    million.roll_up(place)
    print(json.dumps([session(number, place) for number in range(people)]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
