"""A mail that another server gave back is marked so; nullable, so no table that triggers read is rebuilt (M6)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0006_inbound"),
    ]

    operations = [
        migrations.AddField(
            model_name="outboxmessage",
            name="bounced_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="no entregado"),
        ),
    ]
