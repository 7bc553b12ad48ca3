from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('rbac', '0009_schedules'),
    ]

    operations = [
        migrations.AddField(
            model_name='environment',
            name='trace_link',
            field=models.CharField(blank=True, db_default='', default='', max_length=500),
        ),
    ]
