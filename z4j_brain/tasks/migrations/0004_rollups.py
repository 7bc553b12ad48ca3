"""Tasks that were stored before there were rollups are counted into them."""

from __future__ import annotations

from collections import defaultdict

from django.db import migrations

from z4j_brain.stats import histogram

ENDS = ("cancelled", "dead_lettered", "expired", "failed", "lost", "rejected", "skipped", "succeeded")
FIVE_MINUTES, HOUR, DAY = 300, 3600, 86_400
COLUMNS = (
    "environment_id", "engine", "queue", "name", "state", "attempt", "first_at", "enqueued_at", "eta", "started_at",
    "finished_at", "runtime_ms",
)  # fmt: skip


def count(apps, schema_editor):
    of_queues, of_names = defaultdict(rollup), defaultdict(rollup)
    for task in apps.get_model("tasks", "Task").objects.values(*COLUMNS).iterator(chunk_size=2000):
        for rollups, label, grains in ((of_queues, "queue", (FIVE_MINUTES, HOUR, DAY)), (of_names, "name", (HOUR, DAY))):
            for grain in grains:
                add(rollups, grain, task, task[label])
    save(apps.get_model("stats", "ByQueue"), "queue", of_queues)
    save(apps.get_model("stats", "ByName"), "name", of_names)


def rollup():
    return {"sums": defaultdict(int), "runtimes": defaultdict(int), "waits": defaultdict(int)}


def add(rollups, grain, task, label):
    at(rollups, grain, task, label, task["first_at"])["sums"]["arrived"] += 1
    if task["state"] not in ENDS or task["finished_at"] is None:
        return
    ended = at(rollups, grain, task, label, task["finished_at"])
    ended["sums"][task["state"]] += 1
    ended["sums"]["retries"] += task["attempt"]
    if task["runtime_ms"] is not None:
        runtime = round(task["runtime_ms"] * 1000)
        ended["sums"]["runtime_us"] += runtime
        ended["runtimes"][histogram.slot(runtime)] += 1
    since = max((moment for moment in (task["enqueued_at"], task["eta"]) if moment), default=None)
    if since and task["started_at"]:
        waited = max((task["started_at"] - since).total_seconds() * 1_000_000, 0)
        ended["waits"][histogram.slot(round(waited))] += 1


def at(rollups, grain, task, label, moment):
    seconds = int(moment.timestamp() // grain) * grain
    return rollups[task["environment_id"], grain, seconds, task["engine"], label]


def save(model, label, rollups):
    names = ("environment_id", "grain", "start", "engine", label)
    rows = (
        model(
            **dict(zip(names, key, strict=True)),
            **one["sums"],
            runtimes=histogram.dump(one["runtimes"]),
            waits=histogram.dump(one["waits"]),
        )
        for key, one in sorted(rollups.items())
    )
    model.objects.bulk_create(rows, batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0003_partitions"), ("stats", "0001_initial")]
    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
