from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0008_issue'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='task',
            index=models.Index(condition=models.Q(('group_id', ''), _negated=True), fields=['environment', 'group_id', '-id'], name='task_group'),
        ),
    ]
