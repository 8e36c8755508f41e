"""Mails to one person are found by their index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0004_no_truncate"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="outboxmessage",
            index=models.Index(fields=["to", "-id"], name="outbox_to"),
        ),
    ]
