"""Since when a polled mailbox is ours, and what of the old mails in it is still to be taken (M6)."""

from django.db import migrations, models
from django.db.models import F, Min

from factureya.core import clock


def begin(apps, _schema_editor):
    """A mailbox that was polled before is ours since its first mail was kept; what was read of it is settled."""
    kept = apps.get_model("core", "InboundMessage").objects.filter(source="imap")
    first = kept.aggregate(first=Min("kept_at"))["first"]
    apps.get_model("core", "MailFolder").objects.update(
        taken_over_at=first or clock.now(), old_uid=F("last_uid")
    )


class Migration(migrations.Migration):
    dependencies = [("core", "0010_attempted_at")]

    operations = [
        migrations.AddField(
            model_name="mailfolder",
            name="taken_over_at",
            field=models.DateTimeField(default=clock.now),
        ),
        migrations.AddField(
            model_name="mailfolder", name="old_uid", field=models.BigIntegerField(default=0)
        ),
        migrations.AddField(
            model_name="mailfolder",
            name="wanted",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
