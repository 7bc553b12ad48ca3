"""What code the workers run that are known already is no news when they call again."""

from django.db import migrations


def remember(apps, schema_editor):
    Worker, Deploy = apps.get_model("fleet", "Worker"), apps.get_model("stats", "Deploy")
    first = {}
    for worker in Worker.objects.order_by("pk").iterator():
        code, at = (worker.facts or {}).get("code"), worker.started_at or worker.heartbeat_at
        if code:
            key = (worker.environment_id, worker.engine, str(code)[:64])
            first[key] = min(at, first.get(key, at))
    Deploy.objects.bulk_create(
        [Deploy(environment_id=key[0], engine=key[1], code=key[2], at=at) for key, at in first.items()],
        ignore_conflicts=True,
        batch_size=500,
    )


class Migration(migrations.Migration):

    dependencies = [
        ("fleet", "0007_repertoires"),
        ("stats", "0002_deploys"),
    ]

    operations = [migrations.RunPython(remember, migrations.RunPython.noop)]
