"""What the documents say of the store is what the store has."""

from __future__ import annotations

import pytest
from django.db.models import Index, Model, UniqueConstraint

from tests.store import ROOT
from z4j_brain.stats.models import ByName, ByQueue
from z4j_brain.tasks.models import Event, Task

PAGE = (ROOT / "docs" / "reference" / "store.md").read_text()


@pytest.mark.parametrize("model", [Task, Event, ByQueue, ByName])
def test_every_index_stands_in_the_page_on_the_store_with_what_it_serves(model: type[Model]):
    for index in (*model._meta.indexes, *model._meta.constraints):
        assert isinstance(index, Index | UniqueConstraint)
        assert f"`{index.name}" in PAGE
    assert f"`{model._meta.db_table}`" in PAGE
