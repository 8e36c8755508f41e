"""When a mail was last tried: tries at one instant count once (M6)."""

from django.db import migrations, models
from django.db.models import F


def begin(apps, _schema_editor):
    """A mail that waits was last tried when it was kept."""
    waiting = apps.get_model("core", "InboundMessage").objects.filter(disposition="")
    waiting.update(attempted_at=F("kept_at"))


class Migration(migrations.Migration):
    dependencies = [("core", "0009_originals")]

    operations = [
        migrations.AddField(
            model_name="inboundmessage",
            name="attempted_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="último intento"),
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
