"""rq-scheduler's own command, watched: `python -m z4j_rqscheduler` takes what `rqscheduler` takes."""

from __future__ import annotations

from rq_scheduler.scripts.rqscheduler import main

from z4j_rqscheduler import install

install()
main()
