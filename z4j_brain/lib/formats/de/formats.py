"""Numbers are written as in English, so that a figure on the screen is the same as in an export, an API or a query."""

from __future__ import annotations

DECIMAL_SEPARATOR = "."
THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 0
