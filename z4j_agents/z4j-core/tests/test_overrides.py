"""What people changed of schedules is kept by scheduler and key; methods of a library go back to what they were."""

from __future__ import annotations

from z4j_core.overrides import Overrides
from z4j_core.patches import Patches
from z4j_core.testing.recording import FolderStore


def test_each_scheduler_keeps_words_by_key_and_nothing_of_nothing(tmp_path):
    state = FolderStore(tmp_path)
    mine, theirs = Overrides(state, "mine"), Overrides(state, "theirs")
    mine.put("a/b", {"enabled": False})
    theirs.put("a/b", {"cron": "0 3 * * *"})
    mine.add("a/b", cron="0 4 * * *", enabled=None)
    assert mine.all() == {"a/b": {"cron": "0 4 * * *"}}
    assert theirs.get("a/b") == {"cron": "0 3 * * *"}
    mine.put("a/b", {})
    theirs.forget("a/b")
    assert mine.get("a/b") == theirs.get("a/b") == {}
    assert state.items("schedule/") == []


def test_a_word_around_a_method_is_taken_off_again_whoever_was_first():
    class Clock:
        def tick(self, count):
            return [count]

    before, patches = Clock.tick, Patches()
    patches.around(Clock, "tick", lambda original, clock, count: [*original(clock, count), "inner"])
    patches.around(Clock, "tick", lambda original, clock, count: [*original(clock, count), "outer"])
    assert Clock().tick(1) == [1, "inner", "outer"]
    assert Clock.tick.__name__ == "tick"
    patches.undo()
    assert Clock.tick is before
