from __future__ import annotations

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "z4j_brain.ledger"
    label = "ledger"
